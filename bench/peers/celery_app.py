"""What a task queue of today does with the same work: Celery on Redis, requests, `text.count`, a message to NSQ.

Started as `celery -A bench.peers.celery_app worker`; the environment says where Redis and nsqd are.
"""

import json
import os

import requests
from celery import Celery

app = Celery("peer", broker=os.environ["PEER_REDIS"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,  # as it must be where nothing may be lost
    worker_prefetch_multiplier=4,
    worker_hijack_root_logger=False,
)
_NSQD = os.environ["PEER_NSQD"]
_session = requests.Session()


@app.task(name="count")
def count(number: int, url: str, word: str) -> None:
    """Fetches a page, counts a word in it, and publishes what it came to."""
    status, found, error = None, None, None
    try:
        answer = _session.get(url, timeout=10)
        status, found = answer.status_code, answer.text.count(word)
    except requests.RequestException as problem:
        error = str(problem)
    body = json.dumps({"id": number, "url": url, "status": status, "count": found, "error": error})
    _session.post(f"http://{_NSQD}/pub?topic=peer_results", data=body, timeout=10).raise_for_status()

"""The steps of the verification, in their order, on a project that is there for it alone."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from deploy.compose.accounts import FINAL, Verdict, judge, share
from deploy.compose.client import Client
from deploy.compose.engine import Container, EngineError, Project
from deploy.compose.load import SIDE_BY_SIDE, Load
from deploy.sample_site.site import pages

TWO_NSQDS = "docker-compose.two-nsqds.yml"
PAGES, PAGES_PORT = "pages", 8000
SERVICES = ("gateway", "recorder", "scheduler", "fetcher", "nsqlookupd", "nsqd", "nsqadmin", "postgres")

BUILD_WITHIN_S = 1800.0
UP_WITHIN_S = 300.0
DOWN_WITHIN_S = 120.0
BACK_WITHIN_S = 120.0
SETTLED_WITHIN_S = 240.0  # what a killed fetcher or nsqd had in hand waits for its lease, twice at worst


class Verification:
    """The steps, in their order, and what they share."""

    def __init__(self, project: Project, client: Client, admin: Client, *, checks: int) -> None:
        self.project = project
        self.client = client
        self.admin = admin
        self.checks = checks
        self.site = f"http://{PAGES}:{PAGES_PORT}"
        self.verdicts: list[Verdict] = []
        self.uncounted = 0
        self.size_bytes = 0
        self._began_s = time.monotonic()

    def say(self, text: str) -> None:
        """A line for the person who waits."""
        print(f"[{time.monotonic() - self._began_s:6.1f} s] {text}", flush=True)

    def run(self) -> bool:
        """All of it; whether nothing was lost."""
        self.start()
        self.restart()
        self.three_fetchers()
        self.what_may_not_be_reached()
        self.scale()
        self.crash()
        self.two_nsqds()
        return self.sum_up()

    def start(self) -> None:
        """From nothing to a stack in which all is healthy."""
        _, built_s = _timed(lambda: self.project.compose("build", timeout_s=BUILD_WITHIN_S))
        self.size_bytes = int(
            self.project.docker("image", "inspect", "--format", "{{.Size}}", self.project.environ["WORDWATCH_IMAGE"])
        )
        self.say(f"built in {built_s:.1f} s; the image has {self.size_bytes / 1e6:.0f} MB")
        self._start_pages()
        _, up_s = _timed(self._up)
        self.say(f"cold start: everything is healthy after {up_s:.1f} s (with the build: {built_s + up_s:.1f} s)")

    def _start_pages(self) -> None:
        self.project.compose("up", "--detach", "--wait", PAGES, timeout_s=UP_WITHIN_S)
        (container,) = self.project.containers(PAGES)
        described = json.loads(self.project.docker("inspect", container.id))[0]["NetworkSettings"]["Networks"]
        address = described[f"{self.project.name}_web"]["IPAddress"]
        self.project.environ["WORDWATCH_ALLOW_TARGETS"] = f"{address}:{PAGES_PORT}"

    def _up(self, *words: str) -> None:
        self.project.compose("up", "--detach", "--wait", *words, timeout_s=UP_WITHIN_S)

    def restart(self) -> None:
        """Down and up again, on the same volumes."""
        others = [*SERVICES, "migrate"]
        _, down_s = _timed(lambda: self.project.compose("down", *others, timeout_s=DOWN_WITHIN_S))
        _, up_s = _timed(self._up)
        self.say(f"warm start: down in {down_s:.1f} s, everything is healthy again after {up_s:.1f} s")

    def three_fetchers(self) -> None:
        """Three fetchers share the work, and nsqadmin shows all queues."""
        self.project.compose("up", "--detach", "--scale", "fetcher=3", timeout_s=UP_WITHIN_S)
        self.project.wait_for_number("fetcher", 3, within_s=BACK_WITHIN_S)
        self.say(f"scaled to 3 fetchers; {self.checks} checks, each page takes 0.5 s")
        load = self._load("three", page_takes_ms=500)
        load.submit(self.checks)
        self._settle(load)
        self._say_shares(load)
        self.queues()

    def queues(self) -> None:
        """Asks nsqadmin's API for all durable topics and their channels."""
        table = "import json; from shared.topics import DURABLE; print(json.dumps(DURABLE))"
        asked = self.project.compose("exec", "-T", "recorder", "python", "-c", table, timeout_s=30)
        shown = {
            topic: {
                channel["channel_name"] for channel in self.admin.ask("GET", f"/api/topics/{quote(topic)}")["channels"]
            }
            for topic in self.admin.ask("GET", "/api/topics")["topics"]
        }
        missing = {
            topic: channels for topic, channels in json.loads(asked) if not set(channels) <= shown.get(topic, set())
        }
        if missing:
            raise EngineError(f"nsqadmin does not show {missing}, but {shown}")
        told = (f"{topic} ({', '.join(sorted(channels))})" for topic, channels in sorted(shown.items()) if channels)
        self.say("nsqadmin shows " + ", ".join(told))

    def what_may_not_be_reached(self) -> None:
        """A check can't be used to look at the queues, the database, or the gateway's own network."""
        for url in ("http://nsqd:4151/stats", "http://postgres:5432/", "http://gateway:9090/metrics"):
            body = {"url": url, "label": "forbidden"}
            check = self.client.ask("POST", "/api/v1/checks", body, {"Prefer": "wait=30"})
            code = (check["error"] or {}).get("code") or check["status"]
            if code not in {"forbidden_address", "dns_not_found", "dns_failed", "queued", "running"}:
                raise EngineError(f"a check of {url} ended as {code}")
            self.say(f"a check of {url}: {code}")
            self.uncounted += 1

    def scale(self) -> None:
        """To five fetchers and back to one, with checks in hand."""
        load = self._load("scaled", page_takes_ms=800)
        self.say("to 5 fetchers and back to 1, while checks are submitted and fetched")
        with load.going_on(at_least=self.checks, every_s=0.05):
            self.project.compose("scale", "fetcher=5", timeout_s=UP_WITHIN_S)
            self.project.wait_for_number("fetcher", 5, within_s=BACK_WITHIN_S)
            self.say(f"5 fetchers; {len(load.accepted)} checks so far")
            time.sleep(2.0)  # some work for the new ones, which is in their hands when most are stopped
            _, took_s = _timed(lambda: self.project.compose("scale", "fetcher=1", timeout_s=UP_WITHIN_S))
            self.project.wait_for_number("fetcher", 1, within_s=BACK_WITHIN_S)
            self.say(f"1 fetcher, {took_s:.1f} s later; {len(load.accepted)} checks so far")
        self._settle(load)

    def crash(self) -> None:
        """Each container's processes are killed once, one container after the other, with checks in hand."""
        self.project.compose("scale", "fetcher=3", timeout_s=UP_WITHIN_S)
        self.project.wait_for_number("fetcher", 3, within_s=BACK_WITHIN_S)
        self.say("every container crashes once, while checks are submitted and fetched")
        load = self._load("crashed", page_takes_ms=800)
        self._crash_each(load, *SERVICES)
        self._say_shares(load)

    def _crash_each(self, load: Load, *services: str) -> None:
        with load.going_on(at_least=self.checks, every_s=0.1):
            time.sleep(2.0)  # so that there is work in hand at the first crash, too
            for container in self.project.containers(*services):
                back_s = self.project.crash(container, within_s=BACK_WITHIN_S)
                self.say(f"{self._short(container)} crashed, healthy again after {back_s:.1f} s")
        self._settle(load)

    def two_nsqds(self) -> None:
        """With the second nsqd both are used, and either may crash."""
        self.project = self.project.also(TWO_NSQDS)
        _, up_s = _timed(lambda: self._up("--scale", "fetcher=2"))
        self.say(f"a second nsqd, and 2 fetchers: healthy after {up_s:.1f} s")
        before = self._published()
        load = self._load("two", page_takes_ms=500)
        load.submit(self.checks)
        self._settle(load)
        self._say_shares(load)
        shares = {nsqd: number - before.get(nsqd, 0) for nsqd, number in self._published().items()}
        self.say("by nsqd: " + ", ".join(f"{nsqd} {number}" for nsqd, number in sorted(shares.items())))
        if len(shares) != 2 or not all(shares.values()):
            raise EngineError("one of the two nsqds was not used")
        self._crash_each(self._load("either", page_takes_ms=800), "nsqd", "nsqd-2")

    def _published(self) -> dict[str, int]:
        """How many messages each nsqd has had for the fetchers since it started."""
        nodes = self.admin.ask("GET", "/api/topics/checks")["nodes"]
        return {node["node"].partition(":")[0]: node["message_count"] for node in nodes}

    def _load(self, label: str, *, page_takes_ms: int) -> Load:
        def submit(body: dict[str, Any], key: str) -> str:
            return self.client.submit(body, key=key)

        return Load(submit, pages(), site=self.site, label=label, page_takes_ms=page_takes_ms)

    def _settle(self, load: Load) -> None:
        """Waits until all checks of a load are final, and judges them."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while True:
            found = list(self.client.checks(label=load.label))
            left = sum(check["status"] not in FINAL for check in found)
            if not left or time.monotonic() > deadline:
                break
            time.sleep(1.0)
        verdict = judge(load.accepted, found)
        self.verdicts.append(verdict)
        self.say(f"{len(load.accepted)} accepted, {len(verdict.done)} done and right, {len(verdict.lost)} lost")

    def _say_shares(self, load: Load) -> None:
        names = {one.hostname: self._short(one) for one in self.project.containers("fetcher")}
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            shares = share(pool.map(self.client.fetcher_of, self.verdicts[-1].done), names)
        self.say("by fetcher: " + ", ".join(f"{name} {number}" for name, number in sorted(shares.items())))

    def _short(self, container: Container) -> str:
        return container.name.removeprefix(f"{self.project.name}-")

    def sum_up(self) -> bool:
        """The totals that the API tells must be what was accepted here; whether that and everything else is so."""
        accepted = sum(len(verdict.done) + len(verdict.lost) for verdict in self.verdicts)
        time.sleep(2.0)  # statistics may be a second old
        told = self.client.ask("GET", "/api/v1/stats")["checks"]
        adds_up = told["total"] == accepted + self.uncounted == sum(told["by_status"].values())
        self.say(f"{accepted} checks and {self.uncounted} that had to fail; the statistics tell of {told['total']}")
        for verdict in self.verdicts:
            for check_id, wrong in verdict.lost.items():
                self.say(f"LOST {check_id}: {wrong}")
            for check_id in verdict.surplus:
                self.say(f"NOT ASKED FOR {check_id}")
        if not adds_up:
            self.say(f"THE SUMS DO NOT ADD UP: {told}")
        self.say(f"the image has {self.size_bytes / 1e6:.0f} MB")
        self.say(f"{sum(len(verdict.lost) for verdict in self.verdicts)} lost of {accepted}")
        return adds_up and all(verdict.well for verdict in self.verdicts)


def _timed(step: Callable[[], Any]) -> tuple[Any, float]:
    began_s = time.monotonic()
    return step(), time.monotonic() - began_s

"""More than a gateway can do, for a minute: `python -m bench.overload [SECONDS] [CONNECTIONS]`.

Needs wrk. First what can be accepted a second is measured, with 32 connections; then as many as wrk can send on
hundreds of connections, each of which asks again as soon as it is answered. Prints answers by status, the peak memory
of each service, how long a person's check takes the moment it is over, and that every accepted check was recorded.
"""

import asyncio
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from bench import pages
from bench.figures import peak_mb
from bench.lanes import POSTGRES
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.servers import eventually, free_port

HOSTS = 200
_SCRIPT = """
local threads = {}
function setup(thread) thread:set("id", #threads); table.insert(threads, thread) end
function init(args) counts = {}; n = 0; body = '{"url": "http://127.1.0.%d:PORT/%s-%d-%d"}' end
wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
function request()
  n = n + 1
  return wrk.format(nil, nil, nil, body:format(n % HOSTS + 1, "RUN", id, n))
end
function response(status, headers, answer)
  local name = tostring(status)
  if status == 503 and not headers["Retry-After"] then name = "503 without Retry-After" end
  if status == 503 then name = name .. " " .. (answer:match('"code":"([a-z_]+)"') or "?") end
  counts[name] = (counts[name] or 0) + 1
end
function done(summary, latency, requests)
  local all = {}
  for _, thread in ipairs(threads) do
    for name, count in pairs(thread:get("counts")) do all[name] = (all[name] or 0) + count end
  end
  local parts = {}
  for name, count in pairs(all) do table.insert(parts, string.format('"%s": %d', name, count)) end
  io.write(string.format('RESULT {"p50_ms": %.1f, "p99_ms": %.1f, "max_ms": %.1f, "errors": %d, "by_status": {%s}}\\n',
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    table.concat(parts, ", ")))
end
"""


async def run_wrk(stack: Fleet, port: int, run: str, *, connections: int, seconds: int) -> dict[str, Any]:
    """One run of wrk; what it reports."""
    script = Path(stack.folder) / f"{run}.lua"
    script.write_text(_SCRIPT.replace("PORT", str(port)).replace("HOSTS", str(HOSTS)).replace("RUN", run))
    wrk = shutil.which("wrk")
    assert wrk is not None, "wrk is not installed"
    command = [wrk, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s", "-s", str(script)]
    process = await asyncio.create_subprocess_exec(
        *command, f"{stack.gateways[0].url}/api/v1/checks", stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(seconds + 60):
        output = (await process.communicate())[0].decode()
    (line,) = [line for line in output.splitlines() if line.startswith("RESULT ")]
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found


def memory(stack: Fleet) -> str:
    """The peak of each service so far."""
    return ", ".join(f"{service.name} {peak_mb(service.pid):.0f} MB" for service in stack.services)


async def a_check_s(stack: Fleet, port: int) -> float:
    """How long a person waits for a count now, in seconds."""
    began_s = time.monotonic()
    url = f"http://{pages.host(0)}:{port}/after"
    async with stack.api.post("/api/v1/checks", json={"url": url}, headers={"Prefer": "wait=60"}) as answer:
        assert answer.status == 200, await answer.text()
    return time.monotonic() - began_s


async def measure(seconds: int, connections: int) -> None:
    """Both runs, and what is left of them."""
    port = free_port()
    trusted = ",".join(f"{pages.host(n)}:{port}" for n in range(HOSTS))
    async with (
        pages.serving(port, hosts=HOSTS),
        fleet(fetchers=2, postgres_settings=POSTGRES, trusted_hosts=trusted, log_level="warning") as stack,
    ):
        usual = await run_wrk(stack, port, "usual", connections=32, seconds=10)
        print(f"32 connections, 10 s: {usual}; {memory(stack)}", flush=True)
        await asyncio.sleep(5)
        over = await run_wrk(stack, port, "over", connections=connections, seconds=seconds)
        took_s = await a_check_s(stack, port)
        print(f"{connections} connections, {seconds} s: {over}; {memory(stack)}", flush=True)
        print(f"a check right after: {took_s:.2f} s", flush=True)
        accepted = sum(run["by_status"].get(code, 0) for run in (usual, over) for code in ("200", "202"))
        recorded = await stack.postgres.ask("SELECT count(*) FROM checks") - 1
        print(f"accepted {accepted}, recorded {recorded} (those that got a 503 not_committed may be among them)")
        assert recorded >= accepted, "accepted checks are not recorded"
        began_s = time.monotonic()

        async def ended() -> bool:
            await asyncio.sleep(0.5)
            return not await stack.postgres.ask("SELECT count(*) FROM checks WHERE status IN ('queued', 'running')")

        await eventually(ended, timeout_s=900, what="all have ended")
        wrong = await stack.postgres.ask("SELECT count(*) FROM checks WHERE status <> 'done'")
        print(f"all {recorded} ended {time.monotonic() - began_s:.0f} s later, {wrong} of them without a count")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(measure(*(arguments + [60, 900][len(arguments) :])))

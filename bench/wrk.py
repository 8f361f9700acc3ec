"""wrk, which sends as fast as it is answered, and what it found."""

import asyncio
import json
from pathlib import Path
from typing import Any

from bench.peers.environment import program

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


async def post_checks(url: str, folder: Path, *, port: int, run: str, connections: int, seconds: int) -> dict[str, Any]:
    """Submits a check of another address with each request; what wrk reports, by status.

    Args:
        url: where to.
        folder: for wrk's script.
        port: of the pages.
        run: stands in each address, so that no two runs ask for the same.
        connections: requests at once.
        seconds: how long.
    """
    script = folder / f"{run}.lua"
    script.write_text(_SCRIPT.replace("PORT", str(port)).replace("HOSTS", str(HOSTS)).replace("RUN", run))
    command = [program("wrk", "wrk"), "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s"]
    process = await asyncio.create_subprocess_exec(
        *command, "-s", str(script), f"{url}/api/v1/checks", stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(seconds + 60):
        output = (await process.communicate())[0].decode()
    (line,) = [line for line in output.splitlines() if line.startswith("RESULT ")]
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found

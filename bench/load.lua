-- The load of `cargo xtask bench` for wrk with one thread: sends every request of the file once,
-- in order, and ends when the last answer has come.
--
--   wrk -t1 -cN … -s load.lua URL -- FILE CONNECTIONS RATE RESULT
--
-- FILE: requests, each after its length (u32 little-endian; written by examples/bench_load.rs).
-- RATE: requests per second, evenly spaced over all connections; 0 = as fast as answers come.
-- RESULT: written when the last answer has come: clock and CPU at the first request, clock and
-- CPU at the last answer (seconds). What wrk itself sums up follows when it is interrupted.

local ffi = require("ffi")
ffi.cdef [[
  struct moment { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct moment *moment);
]]
local WALL, CPU_OF_PROCESS = 0, 2 -- CLOCK_REALTIME, CLOCK_PROCESS_CPUTIME_ID
local moment = ffi.new("struct moment")

local function seconds(clock)
  ffi.C.clock_gettime(clock, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local requests, sent, planned, idle = {}, 0, 0, 0
local connections, rate, result
local began, began_cpu
-- wrk asks for one request before it connects, to see whether it is one, and throws it away.
local probed = false

local function load(path)
  local file = assert(io.open(path, "rb"))
  while true do
    local prefix = file:read(4)
    if not prefix then break end
    local a, b, c, d = prefix:byte(1, 4)
    requests[#requests + 1] = file:read(a + b * 256 + c * 65536 + d * 16777216)
  end
  file:close()
end

-- Milliseconds until the next request is due; wrk asks only where this function exists, once for each
-- request, and long before it is sent: what was sent by then would be due together.
local function until_due()
  local now = seconds(WALL)
  began = began or now
  local due = began + planned / rate
  planned = planned + 1
  if due <= now then return 0 end
  return math.floor((due - now) * 1000 + 0.5)
end

function init(arguments)
  connections, rate, result = tonumber(arguments[2]), tonumber(arguments[3]), arguments[4]
  load(arguments[1])
  if rate > 0 then delay = until_due end
  -- Nothing is allocated from here on but short-lived numbers.
  collectgarbage()
  collectgarbage("stop")
end

local function finish()
  local ended, ended_cpu = seconds(WALL), seconds(CPU_OF_PROCESS)
  local file = assert(io.open(result .. ".part", "w"))
  file:write(string.format("%.6f %.6f %.6f %.6f\n", began, began_cpu, ended, ended_cpu))
  file:close()
  assert(os.rename(result .. ".part", result))
end

function request()
  if not probed then
    probed = true
    return requests[1]
  end
  if not began_cpu then began, began_cpu = seconds(WALL), seconds(CPU_OF_PROCESS) end
  if sent < #requests then
    sent = sent + 1
    return requests[sent]
  end
  -- A connection asks again when its answer has come. Without a request it falls silent.
  idle = idle + 1
  if idle == connections then finish() end
  return ""
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    "bench-result answers=%d bytes=%d status=%d connect=%d read=%d write=%d timeout=%d p50=%d p99=%d max=%d\n",
    summary.requests, summary.bytes, errors.status, errors.connect, errors.read, errors.write,
    errors.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end

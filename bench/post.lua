-- wrk posts the file named after "--", and closes with one line of JSON that bench/wrk.py reads.
function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.body = assert(io.open(args[1], "rb")):read("*a")
end

function done(summary, latency, requests)
  local failed = 0
  for _, count in pairs(summary.errors) do
    failed = failed + count
  end
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "failed": %d, "p50": %.1f, "p99": %.1f}\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)
  ))
end

-- One turn of wrk: the given requests in turn, and at the end one line with what was measured.
-- usage: wrk … -s wrk.lua URL -- FILE…     (a file holds a request as it goes over the wire, its head and its body)

local prepared, sent = {}, 0

function init(args)
   for i = 1, #args do
      local file = assert(io.open(args[i], "rb"))
      prepared[i] = file:read("*a")
      file:close()
   end
end

function request()
   sent = sent % #prepared + 1
   return prepared[sent]
end

function done(summary, latency)
   local failed = summary.errors
   print(string.format(
      "turn requests=%d duration_us=%d p50_us=%d p99_us=%d refused=%d broken=%d",
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed.status,
      failed.connect + failed.read + failed.write + failed.timeout))
end

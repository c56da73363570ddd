-- One turn of wrk: the given bodies in turn, and at the end one line with what was measured.
-- usage: wrk … -s wrk.lua URL -- METHOD CONTENT_TYPE ACCEPT [BODY_FILE…]

local prepared, sent = {}, 0

function init(args)
   wrk.method = args[1]
   if args[2] ~= "" then wrk.headers["Content-Type"] = args[2] end
   wrk.headers["Accept"] = args[3]
   for i = 4, #args do
      local file = assert(io.open(args[i], "rb"))
      prepared[#prepared + 1] = wrk.format(nil, nil, nil, file:read("*a"))
      file:close()
   end
   if #prepared == 0 then prepared[1] = wrk.format() end
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

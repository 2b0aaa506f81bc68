-- The requests of a run, from the arguments METHOD BODY-SIZE HEADER, and its result as one line of JSON.

function init(args)
  if args[1] and args[1] ~= "" then wrk.method = args[1] end
  local size = tonumber(args[2] or "0")
  if size > 0 then wrk.body = string.rep("x", size) end
  if args[3] and args[3] ~= "" then
    local name, value = args[3]:match("^(.-):%s*(.*)$")
    wrk.headers[name] = value
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"Requests":%d,"Seconds":%f,"Failures":%d}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout))
end

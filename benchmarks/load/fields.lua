-- For wrk: each request has the next header field of a file, which has one on each line; without a file, none has one.

local requests, number = {}, 0

function init(arguments)
  if not arguments[1] then
    requests[1] = wrk.format()
    return
  end
  for line in io.lines(arguments[1]) do
    local name, value = line:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

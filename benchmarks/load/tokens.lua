-- For wrk: each request has the next token of a file, which has one on each line; without a file, none has one.

local requests, number = {}, 0

function init(arguments)
  if not arguments[1] then
    requests[1] = wrk.format()
    return
  end
  for token in io.lines(arguments[1]) do
    wrk.headers["Authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

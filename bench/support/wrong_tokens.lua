-- Presents a different wrong token with every request.
local count = 0
function request()
  count = count + 1
  wrk.headers["Authorization"] = string.format("Bearer nxa-api_%064x", count)
  return wrk.format("GET")
end

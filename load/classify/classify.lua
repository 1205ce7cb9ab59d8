-- Classifications for wrk: one fault a request. TOKEN.

dofile("load/wrk_line.lua")

function init(_)
    wrk.method = "POST"
    wrk.path = "/v1/classify"
    wrk.body = '{"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"}'
    wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
    wrk.headers["Content-Type"] = "application/json"
end

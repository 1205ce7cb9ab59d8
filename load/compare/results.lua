-- Results for wrk: one JSON operation a request, each under a key of its own, spread over the sessions of a file.
-- TOKEN, SESSIONS (a file, one id a line), ITEM, DEVICES (how many share a session), RUN (makes the keys of a run its own), CHOICE (how
-- sessions are chosen: in rounds, the default; at random, `uniform` or `skewed`, with most for a few), RATE (so many a second by all
-- connections together; without it, as many as there can be).

dofile("load/wrk_line.lua")

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init(_)
    sessions = {}
    for line in io.lines(os.getenv("SESSIONS")) do
        sessions[#sessions + 1] = "/v1/tests/sessions/" .. line .. "/results"
    end
    devices = tonumber(os.getenv("DEVICES"))
    key_start = os.getenv("RUN") .. "-" .. number .. "-"
    body_start = '{"changes":[{"op":"set","path":"/items/' .. os.getenv("ITEM") ..
        '/outcome","value":"pass","timestamp":"2026-02-13T01:02:03Z","actor_id":"device-'
    headers = {
        ["Authorization"] = "Bearer " .. os.getenv("TOKEN"),
        ["Content-Type"] = "application/json",
    }
    sent = 0
    rate = tonumber(os.getenv("RATE") or "")
    if rate then delay = wait_for_turn end
    choose = choices[os.getenv("CHOICE") or "rounds"]
    math.randomseed(number + 1)
end

choices = {
    rounds = function() return sent % #sessions + 1 end,
    uniform = function() return math.random(#sessions) end,
    skewed = function() return math.floor(#sessions * math.random() ^ 4) + 1 end,
}

function request()
    sent = sent + 1
    headers["Idempotency-Key"] = key_start .. sent
    local body = body_start .. (math.floor(sent / #sessions) % devices) .. '"}]}'
    return wrk.format("POST", sessions[choose()], headers, body)
end

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, microseconds; } moment; int gettimeofday(moment *now, void *zone);")
local moment = ffi.new("moment")

local function now_milliseconds()
    ffi.C.gettimeofday(moment, nil)
    return tonumber(moment.seconds) * 1e3 + tonumber(moment.microseconds) / 1e3
end

local due

-- Milliseconds until the next request is due. What a stall has held up for more than a second is not made up for.
function wait_for_turn()
    local now = now_milliseconds()
    due = math.max(due or now, now - 1000) + 1000 / rate
    return math.max(0, math.floor(due - now))
end

-- One line for the script that runs this: acknowledged, a second, p50, p95, p99 in milliseconds, refused, broken.
function done(summary, latency, _)
    local errors = summary.errors
    local seconds = summary.duration / 1e6
    local acknowledged = summary.requests - errors.status
    local at = function(percent) return latency:percentile(percent) / 1e3 end
    io.write(string.format("RESULT %d %.0f %.1f %.1f %.1f %d %d\n", acknowledged, acknowledged / seconds,
        at(50), at(95), at(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

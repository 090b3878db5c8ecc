-- Takes one cell of a key, by the generic cell rate algorithm. KEYS: the key. ARGV: the interval in microseconds, the
-- burst. Returns 0, or for how many microseconds there is none.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
-- The theoretical arrival time of the next cell. A clock that was set back costs one burst of debt at the most.
local arrival = tonumber(redis.call('GET', KEYS[1]) or now)
arrival = math.min(math.max(arrival, now), now + 2 * interval * burst)
local after = arrival + interval
local wait = after - interval * burst - now
if wait > 0 then
    return math.ceil(wait)
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return 0

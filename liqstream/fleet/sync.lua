-- One server's exchange with its fleet: it states its demand, takes or extends the lease, reads the state.
-- KEYS: lease, epoch, demand, then each symbol's latest.
-- ARGV: server, may lead (1/0), epoch it needs at least, lease ms, wake channel,
--       demand ("fit interval symbol ..."), most ms an epoch may be ahead, ms the latest keys live,
--       then the symbols.
-- Returns leader ('' without one), its epoch ('0'), the other servers' demands, and per symbol the published
-- position "epoch:seq" ('' without one).

-- A key of another type is not of our making, and every command on it would fail for ever.
local function ensure_type(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end
ensure_type(KEYS[1], 'string') ensure_type(KEYS[2], 'string') ensure_type(KEYS[3], 'hash')
local server, lease_ms, wake_channel = ARGV[1], tonumber(ARGV[4]), ARGV[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local has_woken = false
local function wake()
  if not has_woken then
    redis.call('PUBLISH', wake_channel, server)
    has_woken = true
  end
end

-- Epochs: the highest anyone used or needs.
local known = tonumber(redis.call('GET', KEYS[2]) or '') or 0
-- Written so that NaN, of which every comparison is false, counts as forged too.
if not (known <= now + tonumber(ARGV[7])) then known = 0 end
local top = math.max(known, tonumber(ARGV[3]))

-- The lease.
local lease = redis.call('GET', KEYS[1])
local holder, epoch = string.match(lease or '', '^(.+):(%d+)$')
epoch = tonumber(epoch)
local function lead()
  holder, epoch = server, math.max(now, top + 1)
  -- %.0f: Lua's own conversion would write an epoch in ms as 1.76e+12.
  redis.call('SET', KEYS[1], string.format('%s:%.0f', server, epoch), 'PX', lease_ms)
  wake()
end
if holder == server then
  -- An epoch above the leader's own was used or is needed: it begins another, for (epoch, seq) only grows.
  if top > epoch then lead() else redis.call('PEXPIRE', KEYS[1], lease_ms) end
elseif not holder and ARGV[2] == '1' then
  lead()
elseif holder and (redis.call('PTTL', KEYS[1]) < 0 or redis.call('PTTL', KEYS[1]) > 60000) then
  -- A lease for ever, or for longer than one can be set: nobody of ours renews it.
  redis.call('PEXPIRE', KEYS[1], lease_ms)
elseif top > known then
  wake()
end
top = math.max(top, epoch or 0)
if top > known then redis.call('SET', KEYS[2], string.format('%.0f', top)) end

-- The fleet's demand.
local previous = redis.call('HGET', KEYS[3], server) or ''
if string.match(previous, '^%d+ (.*)$') ~= ARGV[6] then wake() end
redis.call('HSET', KEYS[3], server, string.format('%.0f %s', now + 3 * lease_ms, ARGV[6]))
local active, others = {}, {}
local all = redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
  local until_ms, demand = string.match(all[i + 1], '^(%d+) (.*)$')
  -- Three times the longest lease that can be set: what claims to last longer is not of our making.
  if not until_ms or tonumber(until_ms) < now or tonumber(until_ms) > now + 180000 then
    redis.call('HDEL', KEYS[3], all[i])
  else
    for word in string.gmatch(demand, '%S+') do active[word] = true end
    if all[i] ~= server then others[#others + 1] = demand end
  end
end

-- The published positions: the leader keeps what has demand alive and deletes the rest, which it makes no more.
local published = {}
for i = 4, #KEYS do
  if redis.call('TYPE', KEYS[i]).ok == 'hash' then
    if holder == server then
      if active[ARGV[5 + i]] then redis.call('PEXPIRE', KEYS[i], ARGV[8]) else redis.call('DEL', KEYS[i]) end
    end
    local fields = redis.call('HMGET', KEYS[i], 'epoch', 'seq')
    published[i - 3] = (fields[1] or '') .. ':' .. (fields[2] or '')
  else
    published[i - 3] = ''
  end
end
return {holder or '', string.format('%.0f', epoch or 0), others, published}

-- Keeps a record of an owner, unless that would break a limit; what changes is noted with a growing number.
-- KEYS: the owner's records, owners, changes, figures (a hash: total, version).
-- ARGV: owner, id, content, most of an owner, most in all, "1" if an owner's first makes room, changes kept.
-- Returns "", or the limit that does not allow it: "owner" or "all".

-- A key of another type, or a figure that is none, is not of our making, and each record would fail for ever.
for i, kind in ipairs({'hash', 'set', 'zset', 'hash'}) do
  local found = redis.call('TYPE', KEYS[i]).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', KEYS[i]) end
end
for _, name in ipairs({'total', 'version'}) do
  if not string.match(redis.call('HGET', KEYS[4], name) or '0', '^%d+$') then
    redis.call('HDEL', KEYS[4], name)
  end
end

local function note(id)
  local version = redis.call('HINCRBY', KEYS[4], 'version', 1)
  redis.call('ZADD', KEYS[3], version, ARGV[1] .. ':' .. id)
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[7]))
end
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  local own = redis.call('HLEN', KEYS[1])
  if own >= tonumber(ARGV[4]) then
    if ARGV[6] ~= '1' then return 'owner' end
    local ids = redis.call('HKEYS', KEYS[1])
    table.sort(ids)
    for i = 1, own - tonumber(ARGV[4]) + 1 do
      redis.call('HDEL', KEYS[1], ids[i])
      redis.call('HINCRBY', KEYS[4], 'total', -1)
      note(ids[i])
    end
  elseif tonumber(redis.call('HGET', KEYS[4], 'total') or '0') >= tonumber(ARGV[5]) then
    return 'all'
  end
  redis.call('HINCRBY', KEYS[4], 'total', 1)
  redis.call('SADD', KEYS[2], ARGV[1])
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
note(ARGV[2])
return ''

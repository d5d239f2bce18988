-- Returns per symbol the payload that is newer than what the caller has, '' where there is none.
-- KEYS: each symbol's latest.
-- ARGV: per symbol the epoch and seq the caller has; last, the most bytes it takes.
local payloads = {}
for i = 1, #KEYS do
  payloads[i] = ''
  -- A key of another type answers pcall with an error table, which has no [1]: such a symbol has nothing.
  local fields = redis.pcall('HMGET', KEYS[i], 'epoch', 'seq')
  local epoch, seq = tonumber(fields[1] or ''), tonumber(fields[2] or '')
  local has_epoch, has_seq = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  if epoch and seq and (epoch > has_epoch or (epoch == has_epoch and seq > has_seq)) then
    if redis.call('HSTRLEN', KEYS[i], 'payload') <= tonumber(ARGV[#ARGV]) then
      payloads[i] = redis.call('HGET', KEYS[i], 'payload') or ''
    end
  end
end
return payloads

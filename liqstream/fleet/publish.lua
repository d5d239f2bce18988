-- Publishes a batch of snapshots if the caller holds the lease; else it writes nothing and returns -1.
-- The token is checked in the step that writes (fencing): no lease can end in between.
-- KEYS: lease, then each symbol's latest.
-- ARGV: token, ms the latest keys live, then per symbol: channel, epoch, seq, payload.
-- Returns how many subscribers the messages reached, in all.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local receivers = 0
for i = 2, #KEYS do
  local at = 3 + (i - 2) * 4
  if redis.pcall('TYPE', KEYS[i]).ok ~= 'hash' then redis.call('DEL', KEYS[i]) end
  redis.call('HSET', KEYS[i], 'epoch', ARGV[at + 1], 'seq', ARGV[at + 2], 'payload', ARGV[at + 3])
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
  receivers = receivers + redis.call('PUBLISH', ARGV[at], ARGV[at + 3])
end
return receivers

// Idempotency-Keys over restarts: what may have been charged is never free again.
#include "application/daemon/key_claims.h"

#include <gtest/gtest.h>

#include "world/simulated/clock.h"
#include "world/simulated/disk.h"

namespace bessemer::daemon {
namespace {

using control::Claim;

constexpr KeyId caller{3, 1};
constexpr GatewayId gateway{4, 1};

struct Desk {
  simulated::SimulatedDisk disk{1};
  simulated::SimulatedClock clock;
  std::unique_ptr<engine::Engine> engine;
  std::optional<KeyClaims> claims;
  std::uint64_t drawn = 0;

  Desk() {
    start();
    access::Bootstrap bootstrap;
    bootstrap.admin = PrincipalId{2, 1};
    bootstrap.platform = tenant::root;
    bootstrap.key = caller;
    bootstrap.hash = sha256("key");
    Context context;
    context.now = context.occurred_at = clock.now();
    const auto done = engine->submit(access::Command(bootstrap), context);
    EXPECT_TRUE(done) << to_text(done.error());
  }
  void start() {
    claims.reset();
    if (engine) {
      EXPECT_TRUE(engine->commit_now());
    }
    engine.reset();
    engine = engine::Engine::open(disk, {}).value();
    claims.emplace(*engine, clock);
  }
  RequestId request() {
    return {static_cast<std::uint64_t>(clock.now().ns / 1'000'000) << 16, ++drawn};
  }
  Claim claim(const std::string& key, RequestId request) {
    control::ClaimKey asked;
    asked.caller = caller;
    asked.key = key;
    asked.body = sha256("body");
    asked.request = request;
    return claims->claim(gateway, 1, asked).claim;
  }
  Claim claim(const std::string& key) { return claim(key, request()); }
};

TEST(KeyClaims, AreGivenUpWithALifeThatChargedNothing) {
  Desk desk;
  const RequestId charged = desk.request(), free = desk.request();
  EXPECT_EQ(desk.claim("charged", charged), Claim::first);
  EXPECT_EQ(desk.claim("free", free), Claim::first);
  EXPECT_EQ(desk.claim("open"), Claim::first);
  desk.claims->ended(charged, UsageIntake::End::charged);
  desk.claims->ended(free, UsageIntake::End::nothing);
  EXPECT_EQ(desk.claim("free"), Claim::first);
  EXPECT_EQ(desk.claim("open"), Claim::repeated);
  desk.claims->epoch_over(gateway, 1, KeyClaims::Log::unread);  // all was seen as it happened
  EXPECT_EQ(desk.claim("open"), Claim::first);
  EXPECT_EQ(desk.claim("charged"), Claim::repeated);
}

// What was charged before a restart is known again once the log is read, and not before.
TEST(KeyClaims, OfBeforeARestartAreGivenUpOnlyByWhoReadTheLog) {
  for (const auto log : {KeyClaims::Log::unread, KeyClaims::Log::read}) {
    Desk desk;
    const RequestId charged = desk.request();
    EXPECT_EQ(desk.claim("charged", charged), Claim::first);
    EXPECT_EQ(desk.claim("open"), Claim::first);
    desk.claims->ended(charged, UsageIntake::End::charged);
    desk.start();
    const bool read = log == KeyClaims::Log::read;
    if (read) desk.claims->ended(charged, UsageIntake::End::charged);  // as the log says again
    EXPECT_EQ(desk.claim("later"), Claim::first);
    desk.claims->epoch_over(gateway, 1, log);
    EXPECT_EQ(desk.claim("charged"), Claim::repeated);
    EXPECT_EQ(desk.claim("open"), read ? Claim::first : Claim::repeated);
    EXPECT_EQ(desk.claim("later"), Claim::first);
  }
}

}  // namespace
}  // namespace bessemer::daemon

// The control plane away and back, processes that die, end and follow each other.
#include <gtest/gtest.h>

#include <filesystem>

#include "application/gateway/rig_for_test.h"
#include "governance/access/key.h"

namespace bessemer::gateway {
namespace {

TEST(Contact, serves_on_while_the_control_plane_is_away_and_ships_later) {
  Factory factory({.budget = 100'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  ASSERT_TRUE(factory.all_billed(1));
  factory.run([&] { factory.plane->vanish(); });
  factory.wait([&] { return !factory.gateway->connected(); });
  EXPECT_EQ(factory.chat("say 8", R"(,"max_tokens":20)")->status, 200);
  std::array<std::byte, access::key_bytes> other{};
  auto client = factory.client();
  const auto never_seen = client.call(
      {"POST", "/v1/chat/completions",
       {{"authorization", "Bearer " + std::string(access::make_key(other).reveal())}},
       Factory::chat_body("say 1", "")});
  EXPECT_EQ(never_seen->status, 503);
  EXPECT_NE(never_seen->body.find("control_plane_away"), std::string::npos);
  // More than is lent: nobody can be asked, and that is not "budget exceeded".
  const auto more = factory.chat("say 9", R"(,"max_tokens":90000)");
  EXPECT_EQ(more->status, 503) << more->body;
  factory.run([&] { factory.plane->listen(); });
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed.back().counts.output, 8u);
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
}

TEST(Contact, a_successor_resolves_what_its_predecessor_left_open) {
  Factory factory({.budget = 100'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  std::jthread abandoned([&] {
    auto client = factory.client();
    // Its gateway dies in the middle.
    EXPECT_FALSE(client.call({"POST", "/v1/chat/completions",
                              {{"authorization", "Bearer " + factory.key}},
                              Factory::chat_body("say 3 stall", R"(,"max_tokens":20)")}));
  });
  EXPECT_TRUE(factory.wait([&] { return factory.engine->asked == 2; }));
  EXPECT_TRUE(factory.wait([&] {
    return factory.gateway->till().holder().log.holds.size() == 1;
  }));
  factory.run([&] { factory.start_gateway(); });  // the old one goes without a word
  abandoned.join();
  EXPECT_TRUE(factory.wait([&] { return factory.ready(); }));
  EXPECT_TRUE(factory.wait([&] { return factory.plane->leases.epochs.size() == 1; }));
  EXPECT_EQ(factory.run([&] { return factory.plane->logs.at(1).voided; }), 1u);
  EXPECT_EQ(factory.chat("say 4", R"(,"max_tokens":20)")->status, 200);
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed_money(), (10 + 7 + 10 + 4) * 1000);
  EXPECT_EQ(factory.audit(), "");
}

TEST(Contact, drains_in_order_and_leaves_nothing_owed) {
  Factory factory({.budget = 100'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  factory.run([&] { factory.gateway->drain(seconds(2)); });
  ASSERT_TRUE(factory.wait([&] { return factory.ended.has_value(); }));
  EXPECT_EQ(*factory.ended, "");
  EXPECT_EQ(factory.plane->billed.size(), 1u);
  EXPECT_TRUE(factory.plane->leases.epochs.empty());
  EXPECT_TRUE(factory.plane->leases.leases.empty());
}

TEST(Contact, a_call_waits_for_a_daemon_that_comes_back) {
  Factory factory({.budget = 1'000'000'000});
  factory.run([&] { factory.plane->vanish(); });
  factory.wait([&] { return !factory.gateway->connected(); });
  std::jthread back([&] {
    factory.wait([&] { return factory.gateway->counts().running == 1; });
    factory.run([&] { factory.plane->listen(); });
  });
  // Nothing is lent yet.
  EXPECT_EQ(factory.chat("say 9", R"(,"max_tokens":20)")->status, 200);
}

TEST(Contact, a_restart_without_a_daemon_knows_who_calls_but_spends_nothing) {
  Factory factory({.budget = 1'000'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  const std::string kept = factory.home() + "/run/local.configuration";
  ASSERT_TRUE(factory.wait([&] { return std::filesystem::exists(kept); }));
  const auto mode = std::filesystem::status(kept).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  factory.run([&] {
    factory.plane->vanish();
    factory.start_gateway();
  });
  auto client = factory.client();
  const auto get = [&](const std::string& path, const std::string& key) {
    return client.call({"GET", path, {{"authorization", "Bearer " + key}}, ""});
  };
  EXPECT_EQ(get("/v1/models/small", factory.key)->status, 200);
  std::array<std::byte, access::key_bytes> other{};
  EXPECT_EQ(get("/v1/models/small", std::string(access::make_key(other).reveal()))->status, 503);
  EXPECT_EQ(client.call({"GET", "/readyz", {}, ""})->status, 503);
  const auto refused = factory.chat("say 7", R"(,"max_tokens":20)");
  EXPECT_EQ(refused->status, 503);
  EXPECT_NE(refused->body.find("control_plane_away"), std::string::npos) << refused->body;
  factory.run([&] { factory.plane->listen(); });
  EXPECT_EQ(factory.chat("say 8", R"(,"max_tokens":20)")->status, 200);
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.audit(), "");
}

// Killed between the daemon's welcome and the log's first record: nothing was lent, nothing spent.
TEST(Contact, closes_logs_that_were_never_begun) {
  Factory factory;
  factory.run([&] {
    auto& leases = factory.plane->leases;
    const GatewayId gateway = leases.newest.begin()->first;
    lease::apply(leases, lease::EpochOpened{gateway, 2}, {});
    lease::apply(leases, lease::EpochOpened{gateway, 3}, {});
    auto disk = real::RealDisk::open_root(factory.home()).value();
    EXPECT_TRUE(journal::begin_usage_log(*disk, gateway, 3, {}));  // without a record
    factory.start_gateway();
  });
  EXPECT_TRUE(factory.wait([&] { return factory.plane->leases.epochs.size() == 1; }));
  EXPECT_EQ(factory.plane->leases.epochs.begin()->first.second, 4u);
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
}

TEST(Contact, never_closes_a_lost_log_that_something_was_lent_to) {
  Factory factory({.budget = 1'000'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  ASSERT_TRUE(factory.all_billed(1));
  factory.run([&] {
    const GatewayId gateway = factory.plane->leases.newest.begin()->first;
    factory.gateway.reset();
    std::filesystem::remove_all(factory.home() + "/" + journal::usage_directory(gateway, 1));
    factory.start_gateway();
  });
  EXPECT_TRUE(factory.wait([&] { return factory.plane->alerts.size() == 1; }));
  EXPECT_EQ(factory.run([&] { return factory.plane->leases.epochs.size(); }), 2u);
}

TEST(Contact, a_kept_gateway_that_never_had_a_daemon_ends_at_once) {
  auto loop = real::Loop::open().value();
  const real::RealClock clock;
  real::RealEntropy entropy;
  const std::string home = testing::TempDir() + "gateway_orphan";
  std::filesystem::create_directories(home + "/run");
  auto disk = real::RealDisk::open_root(home).value();
  Options options;
  options.home = home;
  options.kept = true;
  options.control = {.path = home + "/control.sock"};
  options.listen = {{.host = "127.0.0.1"}};
  std::optional<std::string> ended;
  Gateway gateway(*loop, clock, *disk, entropy, options, [&](std::string why) {
    ended = std::move(why);
    loop->stop();
  });
  ASSERT_TRUE(gateway.start());
  if (!ended) loop->run();
  EXPECT_EQ(ended, "the daemon that started it is gone");
}

}  // namespace
}  // namespace bessemer::gateway

// Frames survive any cut and refuse damage; deltas lead where snapshots lead.
#include <gtest/gtest.h>

#include "application/control/messages.h"
#include "base/random.h"

namespace bessemer::control {
namespace {

Configuration sample(std::uint64_t version, std::uint64_t keys) {
  Configuration out;
  out.version = version;
  out.budgets = version / 2;
  for (std::uint64_t i = 1; i <= keys; ++i) {
    KeyEntry key;
    key.id = KeyId{1, i};
    key.hash = sha256(std::to_string(i));
    key.path = {OrgId{1, 1}, OrgId{1, i}};
    key.revoked = i % 3 == version % 3;
    out.keys.push_back(key);
  }
  EndpointEntry endpoint;
  endpoint.id = EndpointId{2, 1};
  endpoint.names = {"small", "champion"};
  endpoint.replicas = {{"task_1/1", "unix:/a", version % 2 == 0}};
  out.endpoints = {endpoint};
  return out;
}

TEST(Messages, survive_any_cut) {
  std::string bytes;
  append_message(bytes, FromDaemon(Welcome{GatewayId{1, 2}, 7, {{5, 100}}}));
  append_message(bytes, FromDaemon(sample(3, 20)));
  append_message(bytes, FromDaemon(Pong{9}));
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 11) {
    std::string_view in = std::string_view(bytes).substr(0, cut);
    std::vector<FromDaemon> got;
    while (true) {
      auto message = take_message<FromDaemon>(in);
      ASSERT_TRUE(message) << message.error().what;
      if (!*message) break;
      got.push_back(std::move(**message));
    }
    EXPECT_LE(got.size(), 3u);
  }
  std::string_view in = bytes;
  EXPECT_EQ(std::get<Welcome>(**take_message<FromDaemon>(in)).owed.at(0).acknowledged, 100u);
  EXPECT_EQ(std::get<Configuration>(**take_message<FromDaemon>(in)), sample(3, 20));
  EXPECT_EQ(std::get<Pong>(**take_message<FromDaemon>(in)).serial, 9u);
  EXPECT_TRUE(in.empty());
}

TEST(Messages, refuse_damage) {
  std::string bytes;
  append_message(bytes, FromGateway(Hello{1, "local", 42, 3}));
  const auto refuses = [](std::string text) {
    std::string_view in = text;
    return !take_message<FromGateway>(in).has_value();
  };
  EXPECT_TRUE(refuses(std::string(4, '\0')));
  EXPECT_TRUE(refuses(std::string(4, '\xff')));
  std::string kind = bytes;
  kind[4] = '\x7f';
  EXPECT_TRUE(refuses(kind));
  std::string longer = bytes;
  longer[0] = static_cast<char>(longer[0] + 1);
  longer += 'x';
  EXPECT_TRUE(refuses(longer));
  Random random(4);
  for (int i = 0; i < 5000; ++i) {  // must not crash, whatever it says
    std::string damaged = bytes;
    damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    std::string_view in = damaged;
    [[maybe_unused]] const auto taken = take_message<FromGateway>(in);
  }
}

TEST(Configuration, deltas_lead_where_snapshots_lead) {
  Random random(5);
  Configuration held = sample(1, 5), gateway = held;
  for (std::uint64_t version = 2; version < 60; ++version) {
    const auto next = sample(version, 1 + random.below(8));
    const auto delta = difference(held, next);
    ASSERT_TRUE(advance(gateway, delta));
    const auto order = [](const KeyEntry& a, const KeyEntry& b) { return a.id < b.id; };
    std::sort(gateway.keys.begin(), gateway.keys.end(), order);
    EXPECT_EQ(gateway, next) << version;
    held = next;
  }
  auto wrong = difference(held, sample(100, 2));
  wrong.from = 7;
  EXPECT_EQ(advance(gateway, wrong).error().code, Code::conflict);
  EXPECT_EQ(gateway, held);
  EXPECT_TRUE(difference(held, held).keys.empty());
}

}  // namespace
}  // namespace bessemer::control

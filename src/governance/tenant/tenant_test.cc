// The organisation tree: refusals in order, names, inheritance, and random histories.
#include "governance/tenant/tenant.h"

#include <gtest/gtest.h>

#include <set>

#include "base/codec.h"
#include "base/json.h"
#include "base/random.h"

namespace bessemer::tenant {
namespace {

const Context at_noon{Instant{1'000'000'000'000}, Instant{1'000'000'000'000}, {}, {}, {}};

// Judges and, when allowed, applies. "" or the refusal.
std::string run(State& state, const Command& command) {
  auto events = judge(state, command, at_noon);
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, at_noon);
  return "";
}

constexpr OrgId acme{9, 1}, vision{9, 2}, ocr{9, 3}, other{9, 4};

State small_tree() {
  State state;
  EXPECT_EQ(run(state, CreateTenant{acme, "acme", "Europe/Berlin"}), "");
  EXPECT_EQ(run(state, CreateGroup{vision, acme, "vision"}), "");
  EXPECT_EQ(run(state, CreateProject{ocr, vision, "ocr"}), "");
  EXPECT_EQ(run(state, CreateTenant{other, "other", {}}), "");
  return state;
}

TEST(Tenant, NamesAndPaths) {
  const State state = small_tree();
  EXPECT_EQ(path_of(state, ocr), "acme/vision/ocr");
  EXPECT_EQ(path_of(state, root), "/");
  EXPECT_EQ(path_of(state, OrgId{5, 5}), "");
  EXPECT_EQ(resolve(state, "acme/vision/ocr").value(), ocr);
  EXPECT_EQ(resolve(state, to_text(ocr)).value(), ocr);
  EXPECT_EQ(resolve(state, "/").value(), root);
  EXPECT_EQ(resolve(state, "acme/nothing").error().code, Code::not_found);
  EXPECT_EQ(resolve(state, to_text(OrgId{5, 5})).error().code, Code::not_found);
  for (const char* bad : {"", "acme/", "/acme", "acme//vision", "org_nonsense"}) {
    EXPECT_EQ(resolve(state, bad).error().code, Code::invalid) << bad;
  }
  EXPECT_EQ(ancestors(state, ocr), (std::vector<OrgId>{ocr, vision, acme, root}));
  EXPECT_EQ(tenant_of(state, ocr), acme);
  EXPECT_EQ(tenant_of(state, root), OrgId{});
  EXPECT_TRUE(is_within(state, ocr, acme));
  EXPECT_TRUE(is_within(state, ocr, ocr));
  EXPECT_FALSE(is_within(state, ocr, other));
  EXPECT_FALSE(is_within(state, acme, ocr));
  EXPECT_EQ(list(state).size(), 5u);
  EXPECT_EQ(list(state, acme).size(), 3u);
  EXPECT_EQ(list(state, acme)[1]->id, vision);
  EXPECT_EQ(children(state, root).size(), 2u);
}

// One input walked from invalid to accepted.
TEST(Tenant, RefusalsInOrder) {
  State state = small_tree();
  CreateProject c{{}, OrgId{5, 5}, ""};
  EXPECT_TRUE(run(state, c).starts_with("name: "));
  c.name = "org_x";
  EXPECT_TRUE(run(state, c).starts_with("name: must not begin with org_"));
  c.name = "ocr";
  EXPECT_EQ(run(state, c), "id: must not be empty");
  c.id = acme;
  EXPECT_EQ(run(state, c), "id: another node has this id");
  c.id = {9, 9};
  EXPECT_EQ(run(state, c), "parent: no such organisation node");
  c.parent = ocr;
  EXPECT_TRUE(run(state, c).starts_with("parent: a project holds no"));
  c.parent = root;
  EXPECT_TRUE(run(state, c).starts_with("parent: must be a tenant or a group"));
  c.parent = vision;
  EXPECT_EQ(run(state, Suspend{acme, "unpaid"}), "");
  EXPECT_TRUE(run(state, c).starts_with("parent: the parent is suspended"));
  EXPECT_EQ(run(state, Resume{acme}), "");
  EXPECT_EQ(run(state, c), "name: the name is taken here; choose another");
  c.name = "faces";
  EXPECT_EQ(run(state, c), "");
  EXPECT_EQ(judge(state, c, at_noon).value().size(), 0u) << "the same again is done already";
}

TEST(Tenant, DepthIsBounded) {
  State state = small_tree();
  OrgId parent = acme;
  std::size_t made = 2;  // the platform and acme
  for (std::uint64_t i = 0; i < 2 * max_depth; ++i) {
    const OrgId id{10, i + 1};
    if (!run(state, CreateGroup{id, parent, "deeper"}).empty()) break;
    parent = id;
    ++made;
  }
  EXPECT_EQ(made, max_depth);
}

TEST(Tenant, CurrencyIsFixedOnce) {
  State state = small_tree();
  const Currency usd{{'U', 'S', 'D'}}, eur{{'E', 'U', 'R'}};
  EXPECT_TRUE(run(state, FixCurrency{ocr, usd}).starts_with("node: must be a tenant"));
  EXPECT_EQ(run(state, FixCurrency{acme, Currency{}}), "currency: must be a currency");
  EXPECT_EQ(run(state, FixCurrency{acme, usd}), "");
  EXPECT_EQ(run(state, FixCurrency{acme, usd}), "");
  EXPECT_EQ(run(state, FixCurrency{acme, eur}),
            "currency: the tenant is billed in USD since its first charge");
}

TEST(Tenant, TimeZonesBelongToTenants) {
  State state = small_tree();
  EXPECT_EQ(find(state, acme)->time_zone, "Europe/Berlin");
  EXPECT_EQ(find(state, other)->time_zone, "UTC");
  EXPECT_EQ(run(state, SetTimeZone{acme, "Asia/Tokyo"}), "");
  EXPECT_EQ(find(state, acme)->time_zone, "Asia/Tokyo");
  EXPECT_TRUE(run(state, SetTimeZone{vision, "UTC"}).starts_with("node: must be a tenant"));
  for (const char* bad : {"", "../etc/passwd", "/UTC", "Europe/", "a b"}) {
    EXPECT_TRUE(run(state, SetTimeZone{acme, bad}).starts_with("time_zone: ")) << bad;
  }
}

TEST(Tenant, SuspensionIsInherited) {
  State state = small_tree();
  EXPECT_TRUE(open_node(state, ocr).has_value());
  EXPECT_EQ(run(state, Suspend{acme, "unpaid"}), "");
  EXPECT_TRUE(is_suspended(state, ocr));
  EXPECT_FALSE(is_suspended(state, other));
  EXPECT_EQ(open_node(state, ocr).error().what, "acme is suspended: unpaid");
  EXPECT_EQ(run(state, Suspend{root, "why not"}), "node: the platform cannot be suspended");
  EXPECT_EQ(run(state, Resume{acme}), "");
  EXPECT_TRUE(open_node(state, ocr).has_value());
}

TEST(Tenant, ClosedNodesStayKnown) {
  State state = small_tree();
  EXPECT_TRUE(run(state, Close{vision}).starts_with("node: is not empty"));
  EXPECT_EQ(run(state, Close{ocr}), "");
  EXPECT_EQ(run(state, Close{ocr}), "") << "again is fine";
  EXPECT_EQ(resolve(state, "acme/vision/ocr").error().code, Code::not_found);
  EXPECT_EQ(resolve(state, to_text(ocr)).error().code, Code::not_found);
  EXPECT_EQ(open_node(state, ocr).error().code, Code::not_found);
  EXPECT_EQ(path_of(state, ocr), "acme/vision/ocr") << "statements still name it";
  EXPECT_EQ(run(state, CreateProject{OrgId{9, 7}, vision, "ocr"}), "") << "the name is free";
  EXPECT_EQ(run(state, Close{root}), "node: the platform cannot be closed");
}

// Whatever is asked for, in any order: the tree stays a tree and snapshots are exact.
TEST(Tenant, RandomHistories) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    State state;
    const auto any = [&] { return OrgId{7, random.below(30)}; };
    for (int step = 0; step < 300; ++step) {
      const std::string name(1, static_cast<char>('a' + random.below(4)));
      switch (random.below(7)) {
        case 0: run(state, CreateTenant{any(), name, {}}); break;
        case 1: run(state, CreateGroup{any(), any(), name}); break;
        case 2: run(state, CreateProject{any(), any(), name}); break;
        case 3: run(state, Suspend{any(), "test"}); break;
        case 4: run(state, Resume{any()}); break;
        default: run(state, Close{any()}); break;
      }
    }
    std::size_t open = 0;
    for (const auto& [id, node] : state.nodes) {
      const auto path = ancestors(state, id);
      ASSERT_EQ(path.back(), root);
      ASSERT_LE(path.size(), max_depth);
      if (node.closed_at) continue;
      ++open;
      ASSERT_EQ(resolve(state, path_of(state, id)).value(), id);
      for (const OrgId above : path) ASSERT_FALSE(find(state, above)->closed_at);
    }
    ASSERT_EQ(list(state).size(), open);
    const auto back = codec::decode<State>(codec::encode(state));
    ASSERT_TRUE(back.has_value());
    ASSERT_EQ(*back, state);
  }
}

TEST(Tenant, AnEmptySnapshotHoldsThePlatform) {
  EXPECT_EQ(codec::decode<State>(codec::encode(State{})).value(), State{});
  EXPECT_NE(find(State{}, root), nullptr);
}

}  // namespace
}  // namespace bessemer::tenant

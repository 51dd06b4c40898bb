// Access: the matrix, what each caller sees, keys, and what nobody may give away.
#include "governance/access/access.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/codec.h"
#include "base/json.h"
#include "base/random.h"
#include "governance/access/key.h"

namespace bessemer::access {
namespace {

constexpr Instant noon{1'000'000'000'000'000'000};
constexpr OrgId platform{0, 1}, acme{9, 1}, vision{9, 2}, ocr{9, 3}, rival{9, 4};
const Path on_platform{platform}, on_acme{acme, platform}, on_vision{vision, acme, platform},
    on_ocr{ocr, vision, acme, platform}, on_rival{rival, platform};
constexpr PrincipalId root{1, 1}, ada{1, 2}, dev{1, 3}, mallory{1, 4}, robot{1, 5}, clerk{1, 6};
constexpr KeyId root_key{2, 1};

Context by(PrincipalId actor, KeyId key = {}) { return {noon, noon, actor, key, {}}; }

std::string run(State& state, const Command& command, const Context& ctx = by({})) {
  auto events = judge(state, command, ctx);
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, ctx);
  return "";
}

Digest hash(std::uint64_t n) { return sha256(std::to_string(n)); }

IssueKey key_of(PrincipalId owner, std::uint64_t n, Path path) {
  return {KeyId{2, n}, hash(n), "laptop", owner, std::move(path), {}, {}, {}, {}};
}

Scope scope(std::string_view text) { return from_text(std::type_identity<Scope>{}, text).value(); }

// root: platform admin; ada: tenant admin of acme; dev: developer of acme/vision; mallory: tenant
// admin of rival; clerk: billing admin of acme; robot: a service account of acme without a role.
State peopled() {
  State state;
  EXPECT_EQ(run(state, Bootstrap{root, platform, root_key, hash(1)}), "");
  EXPECT_EQ(run(state, CreateUser{ada, acme}), "");
  EXPECT_EQ(run(state, CreateUser{dev, acme}), "");
  EXPECT_EQ(run(state, CreateUser{mallory, rival}), "");
  EXPECT_EQ(run(state, CreateUser{clerk, acme}), "");
  EXPECT_EQ(run(state, CreateServiceAccount{robot, acme, "ci"}), "");
  EXPECT_EQ(run(state, Bind{ada, Role::tenant_admin, on_acme}, by(root)), "");
  EXPECT_EQ(run(state, Bind{dev, Role::developer, on_vision}, by(ada)), "");
  EXPECT_EQ(run(state, Bind{mallory, Role::tenant_admin, on_rival}, by(root)), "");
  EXPECT_EQ(run(state, Bind{clerk, Role::billing_admin, on_acme}, by(root)), "");
  return state;
}

std::string verdict(const State& state, const Caller& caller, const Path& path, Resource resource,
                    Action action) {
  return std::string(enum_text(decide(state, caller, path, resource, action, noon).verdict));
}

// The root of the source tree: the folder at or above the working directory that has LAYERS.
std::filesystem::path source_root() {
  auto at = std::filesystem::current_path();
  while (!std::filesystem::exists(at / "LAYERS") && at.has_relative_path()) at = at.parent_path();
  return at;
}

TEST(Policy, MatrixIsTheOneInTests) {
  const auto file = source_root() / "tests" / "policy_matrix.txt";
  if (std::getenv("BESSEMER_UPDATE") != nullptr) std::ofstream(file) << policy_matrix();
  std::stringstream kept;
  kept << std::ifstream(file).rdbuf();
  EXPECT_EQ(kept.str(), policy_matrix()) << "run with BESSEMER_UPDATE=1 and read the difference";
}

TEST(Policy, LawsOfTheMatrix) {
  for (int r = 0; r < resource_count; ++r) {
    for (int a = 0; a < action_count; ++a) {
      const auto resource = static_cast<Resource>(r);
      const auto action = static_cast<Action>(a);
      const auto may = [&](Role role) { return permits(role, resource, action); };
      SCOPED_TRACE(std::string(enum_text(resource)) + ":" + std::string(enum_text(action)));
      EXPECT_TRUE(!may(Role::viewer) || may(Role::developer));
      EXPECT_TRUE(!may(Role::developer) || may(Role::tenant_admin));
      if (may(Role::tenant_admin) || may(Role::billing_admin)) {
        EXPECT_TRUE(may(Role::platform_admin));
      }
      if (may(Role::viewer) && resource != Resource::key) {
        EXPECT_TRUE(action == Action::read || action == Action::list);
      }
    }
  }
  for (int a = 0; a < action_count; ++a) {
    const auto action = static_cast<Action>(a);
    EXPECT_FALSE(permits(Role::billing_admin, Resource::secret, action));
    EXPECT_FALSE(permits(Role::viewer, Resource::secret, action));
    EXPECT_FALSE(permits(Role::billing_admin, Resource::dataset, action));
  }
}

TEST(Authorize, RolesAreInheritedDownwards) {
  const State s = peopled();
  using enum Resource;
  using enum Action;
  const struct {
    PrincipalId who;
    Path path;
    Resource resource;
    Action action;
    std::string_view expected;
  } table[] = {
      {root, on_ocr, job, create, "allowed"},
      {ada, on_ocr, job, create, "allowed"},
      {ada, on_rival, job, list, "not_found"},
      {ada, on_platform, node, update, "forbidden"},
      {dev, on_ocr, job, create, "allowed"},
      {dev, on_vision, secret, create, "allowed"},
      {dev, on_vision, budget, update, "forbidden"},
      {dev, on_acme, job, create, "forbidden"},   // above his node: he knows of it
      {dev, on_rival, job, create, "not_found"},  // another tenant's
      {mallory, on_acme, org, read, "not_found"},
      {mallory, on_ocr, org, read, "not_found"},
      {clerk, on_ocr, budget, update, "allowed"},
      {clerk, on_ocr, dataset, read, "forbidden"},
      {robot, on_acme, org, read, "not_found"},   // no role yet
      {PrincipalId{5, 5}, on_acme, org, read, "not_found"},
      // Limits are set from above.
      {ada, on_acme, quota, update, "forbidden"},
      {ada, on_vision, quota, update, "allowed"},
      {ada, on_acme, budget, create, "forbidden"},
      {ada, on_acme, org, update, "forbidden"},  // or she would lift her own suspension
      {ada, on_acme, org, create, "allowed"},
      {ada, on_vision, org, remove, "allowed"},
      {ada, on_acme, budget, read, "allowed"},
      {clerk, on_acme, budget, create, "allowed"},
  };
  for (const auto& row : table) {
    EXPECT_EQ(verdict(s, {row.who, {}}, row.path, row.resource, row.action), row.expected)
        << to_text(row.who) << " " << enum_text(row.resource) << ":" << enum_text(row.action);
  }
  const Decision yes = decide(s, {dev, {}}, on_ocr, job, create, noon);
  EXPECT_EQ(yes.role, Role::developer);
  EXPECT_EQ(yes.granted_at, vision);
  EXPECT_EQ(decide(s, {dev, {}}, on_vision, budget, update, noon).why,
            "budget:update needs the role platform_admin, billing_admin or tenant_admin on this "
            "node or above it");
}

TEST(Authorize, AKeyNarrowsItsOwner) {
  State s = peopled();
  IssueKey c = key_of(ada, 20, on_vision);
  c.scopes = {scope("job:*"), scope("*:read")};
  c.models = {"llama", "acme/*"};
  ASSERT_EQ(run(s, c, by(ada)), "");
  const Caller with{ada, c.id};
  using enum Resource;
  using enum Action;
  EXPECT_EQ(verdict(s, with, on_ocr, job, create), "allowed");
  EXPECT_EQ(verdict(s, with, on_ocr, dataset, list), "allowed") << "read covers list";
  EXPECT_EQ(verdict(s, with, on_ocr, dataset, create), "forbidden");
  EXPECT_EQ(verdict(s, with, on_acme, job, create), "forbidden") << "above the key's node";
  EXPECT_EQ(verdict(s, with, on_rival, job, create), "not_found");
  const OrgId sibling{9, 8};
  EXPECT_EQ(verdict(s, with, {sibling, acme, platform}, job, create), "not_found")
      << "the key does not know what its owner knows";
  EXPECT_EQ(verdict(s, {dev, c.id}, on_ocr, job, create), "not_found") << "another's key";
  EXPECT_TRUE(may_call(s, c.id, "llama"));
  EXPECT_TRUE(may_call(s, c.id, "acme/tiny"));
  EXPECT_FALSE(may_call(s, c.id, "llama-2"));
  EXPECT_TRUE(may_call(s, root_key, "anything"));
  EXPECT_FALSE(may_call(s, KeyId{8, 8}, "llama"));
}

TEST(Authorize, AnEndedKeyIsUnauthenticated) {
  State s = peopled();
  IssueKey c = key_of(dev, 21, on_vision);
  c.expires_at = noon + hours(1);
  ASSERT_EQ(run(s, c, by(dev)), "");
  const auto reason = [&](Instant now) -> std::string {
    const auto caller = authenticate(s, c.hash, now);
    return caller ? "" : caller.error().reason;
  };
  EXPECT_EQ(authenticate(s, c.hash, noon).value(), (Caller{dev, c.id}));
  EXPECT_EQ(authenticate(s, hash(99), noon).error().reason, "key_unknown");
  EXPECT_EQ(reason(noon + hours(1)), "key_expired");
  EXPECT_TRUE(still_good(s, {dev, c.id}, noon));
  EXPECT_EQ(still_good(s, {dev, c.id}, noon + hours(1)).error().reason, "key_expired");
  EXPECT_EQ(still_good(s, {ada, c.id}, noon).error().reason, "key_revoked") << "another's key";
  EXPECT_EQ(authorize(s, {dev, c.id}, on_ocr, Resource::job, Action::list, noon + hours(2))
                .error().code, Code::unauthenticated);
  ASSERT_EQ(run(s, Disable{dev}, by(ada)), "");
  EXPECT_EQ(reason(noon), "principal_disabled");
  ASSERT_EQ(run(s, Enable{dev}, by(ada)), "");
  EXPECT_EQ(reason(noon), "");
  ASSERT_EQ(run(s, RevokeKey{c.id}, by(dev)), "");
  EXPECT_EQ(reason(noon), "key_revoked");
}

TEST(Bootstrap, OnlyOnce) {
  State s;
  EXPECT_EQ(run(s, Bootstrap{root, platform, root_key, hash(1)}), "");
  EXPECT_EQ(verdict(s, authenticate(s, hash(1), noon).value(), on_ocr, Resource::org,
                    Action::create), "allowed");
  EXPECT_EQ(judge(s, Bootstrap{ada, platform, KeyId{2, 2}, hash(2)}, by({})).error().reason,
            "bootstrapped");
}

TEST(Grants, NobodyGivesMoreThanHeHas) {
  State s = peopled();
  const auto refused = [&](PrincipalId actor, Role role, const Path& path) {
    const auto result = judge(s, Bind{robot, role, path}, by(actor));
    return !result && result.error().code == Code::forbidden;
  };
  EXPECT_FALSE(refused(ada, Role::developer, on_ocr));
  EXPECT_FALSE(refused(ada, Role::tenant_admin, on_acme));
  EXPECT_TRUE(refused(ada, Role::billing_admin, on_acme)) << "would let her set her own budget";
  EXPECT_TRUE(refused(ada, Role::developer, on_rival));
  EXPECT_TRUE(refused(ada, Role::platform_admin, on_platform));
  EXPECT_TRUE(refused(dev, Role::viewer, on_vision));
  EXPECT_TRUE(refused(clerk, Role::viewer, on_acme));
  EXPECT_EQ(run(s, Bind{robot, Role::platform_admin, on_acme}, by(root)),
            "role: platform_admin belongs on the platform; use tenant_admin");
  EXPECT_EQ(run(s, Bind{robot, Role::tenant_admin, on_platform}, by(root)),
            "role: tenant_admin belongs on a tenant or below; use platform_admin");
  EXPECT_EQ(run(s, Bind{PrincipalId{5, 5}, Role::viewer, on_acme}, by(root)),
            "principal: no such principal");
}

TEST(Grants, TakenBack) {
  State s = peopled();
  EXPECT_EQ(judge(s, Unbind{dev, Role::developer, vision}, by(mallory)).error().code,
            Code::forbidden);
  EXPECT_EQ(run(s, Unbind{dev, Role::developer, vision}, by(dev)), "") << "one may leave";
  EXPECT_EQ(verdict(s, {dev, {}}, on_ocr, Resource::job, Action::list), "not_found");
  EXPECT_EQ(run(s, Unbind{dev, Role::developer, vision}, by(ada)), "") << "again is fine";
}

TEST(Grants, TheLastAdministratorStays) {
  State s = peopled();
  for (const Command& end : {Command(Unbind{root, Role::platform_admin, platform}),
                             Command(Disable{root}), Command(Erase{root})}) {
    EXPECT_EQ(judge(s, end, by(root)).error().reason, "last_admin");
  }
  EXPECT_EQ(judge(s, Disable{root}, by(ada)).error().code, Code::forbidden);
  ASSERT_EQ(run(s, Bind{ada, Role::platform_admin, on_platform}, by(root)), "");
  EXPECT_EQ(run(s, Disable{root}, by(ada)), "");
  EXPECT_EQ(judge(s, Disable{ada}, by(ada)).error().reason, "last_admin");
}

TEST(Keys, IssuedForOneselfOrAServiceAccount) {
  State s = peopled();
  EXPECT_EQ(judge(s, key_of(dev, 30, on_vision), by(ada)).error().field, "owner");
  IssueKey c = key_of(robot, 31, on_vision);
  c.home_path = on_acme;
  EXPECT_EQ(judge(s, c, by(dev)).error().code, Code::forbidden);
  EXPECT_EQ(judge(s, c, by(mallory)).error().code, Code::forbidden);
  EXPECT_EQ(run(s, c, by(ada)), "");
  EXPECT_EQ(judge(s, c, by(ada)).value().size(), 0u) << "the same again is done already";
  IssueKey again = key_of(ada, 31, on_vision);
  again.hash = hash(77);
  EXPECT_EQ(judge(s, again, by(ada)).error().code, Code::conflict);
}

TEST(Keys, RefusalsInOrder) {
  State s = peopled();
  IssueKey c = key_of(PrincipalId{5, 5}, 32, {});
  c.name = "A B";
  EXPECT_TRUE(run(s, c, by(ada)).starts_with("name: "));
  c.name = "ok";
  EXPECT_EQ(run(s, c, by(ada)), "node: must name a node");
  c.path = on_vision;
  c.models = {""};
  EXPECT_TRUE(run(s, c, by(ada)).starts_with("models: "));
  c.models.clear();
  c.expires_at = noon;
  EXPECT_EQ(run(s, c, by(ada)), "expires_at: must lie in the future");
  c.expires_at.reset();
  EXPECT_EQ(run(s, c, by(ada)), "principal: no such principal");
  c.owner = ada;
  EXPECT_EQ(run(s, c, by(ada)), "");
}

TEST(Keys, NoKeyMakesAWiderOne) {
  State s = peopled();
  IssueKey first = key_of(ada, 40, on_vision);
  first.scopes = {scope("key:*"), scope("job:read"), scope("billing:read")};
  first.models = {"llama"};
  first.expires_at = noon + days(1);
  ASSERT_EQ(run(s, first, by(ada)), "");
  const auto field = [&](auto change) -> std::string {
    IssueKey c = key_of(ada, 41, on_ocr);
    c.scopes = {scope("job:list"), scope("statement:read")};
    c.models = {"llama"};
    c.expires_at = noon + hours(1);
    change(c);
    const auto result = judge(s, c, by(ada, first.id));
    return result ? "" : result.error().field;
  };
  EXPECT_EQ(field([](IssueKey&) {}), "");
  EXPECT_EQ(field([](IssueKey& c) { c.path = on_acme; }), "node");
  EXPECT_EQ(field([](IssueKey& c) { c.scopes.clear(); }), "scopes");
  EXPECT_EQ(field([](IssueKey& c) { c.scopes = {scope("job:create")}; }), "scopes");
  EXPECT_EQ(field([](IssueKey& c) { c.models.clear(); }), "models");
  EXPECT_EQ(field([](IssueKey& c) { c.models = {"other"}; }), "models");
  EXPECT_EQ(field([](IssueKey& c) { c.expires_at.reset(); }), "expires_at");
  EXPECT_EQ(field([](IssueKey& c) { c.expires_at = noon + days(2); }), "expires_at");
}

TEST(Keys, RevokedByOwnerOrAdminAndHiddenFromOthers) {
  State s = peopled();
  ASSERT_EQ(run(s, key_of(dev, 50, on_vision), by(dev)), "");
  EXPECT_EQ(judge(s, RevokeKey{KeyId{2, 50}}, by(mallory)).error().code, Code::not_found);
  EXPECT_EQ(judge(s, RevokeKey{KeyId{2, 50}}, by(clerk)).error().code, Code::forbidden);
  EXPECT_EQ(judge(s, RevokeKey{KeyId{2, 51}}, by(ada)).error().code, Code::not_found);
  EXPECT_EQ(keys_visible(s, {dev, {}}, on_vision, noon).size(), 1u);
  EXPECT_EQ(keys_visible(s, {clerk, {}}, on_acme, noon).size(), 0u);
  EXPECT_EQ(keys_visible(s, {mallory, {}}, on_acme, noon).size(), 0u);
  EXPECT_EQ(keys_visible(s, {ada, {}}, on_acme, noon).size(), 1u);
  EXPECT_EQ(keys_visible(s, {ada, {}}, on_ocr, noon).size(), 0u) << "bound above it";
  EXPECT_EQ(run(s, RevokeKey{KeyId{2, 50}}, by(ada)), "");
  EXPECT_EQ(run(s, RevokeKey{KeyId{2, 50}}, by(ada)), "") << "again is fine";
}

TEST(Principals, ErasedForEver) {
  State s = peopled();
  ASSERT_EQ(run(s, key_of(dev, 60, on_vision), by(dev)), "");
  ASSERT_EQ(run(s, Erase{dev}, by(ada)), "");
  EXPECT_FALSE(s.grants.contains(dev));
  EXPECT_EQ(authenticate(s, hash(60), noon).error().reason, "key_revoked");
  EXPECT_TRUE(find(s, dev)->erased_at.has_value()) << "facts still name the id";
  EXPECT_EQ(judge(s, Enable{dev}, by(root)).error().code, Code::not_found);
  EXPECT_EQ(run(s, Erase{dev}, by(ada)), "") << "again is fine";
}

TEST(Principals, ClosingANodeEndsWhatHangsOnIt) {
  State s = peopled();
  ASSERT_EQ(run(s, key_of(dev, 70, on_vision), by(dev)), "");
  ASSERT_EQ(run(s, ForgetNode{vision}), "");
  EXPECT_TRUE(bindings_on(s, vision).empty());
  EXPECT_EQ(authenticate(s, hash(70), noon).error().reason, "key_revoked");
  ASSERT_EQ(run(s, ForgetNode{acme}), "");
  EXPECT_TRUE(find(s, robot)->disabled);
  EXPECT_EQ(judge(s, ForgetNode{platform}, by({})).error().reason, "last_admin");
}

TEST(Principals, WhatOneSeesBeginsAtHisRoles) {
  State s = peopled();
  EXPECT_EQ(visible_roots(s, {root, {}}, noon), (std::vector<OrgId>{platform}));
  EXPECT_EQ(visible_roots(s, {ada, {}}, noon), (std::vector<OrgId>{acme}));
  ASSERT_EQ(run(s, Bind{ada, Role::developer, on_ocr}, by(root)), "");
  EXPECT_EQ(visible_roots(s, {ada, {}}, noon), (std::vector<OrgId>{acme})) << "ocr is inside";
  ASSERT_EQ(run(s, key_of(ada, 80, on_vision), by(ada)), "");
  EXPECT_EQ(visible_roots(s, {ada, KeyId{2, 80}}, noon), (std::vector<OrgId>{vision}));
  EXPECT_TRUE(visible_roots(s, {robot, {}}, noon).empty());
}

TEST(Scopes, TextForms) {
  for (const char* good : {"job:create", "*:read", "*:*", "billing:read", "price_book:*"}) {
    EXPECT_EQ(to_text(scope(good)), good);
  }
  for (const char* bad : {"", "job", "job:", ":read", "job:fly", "cat:read", "job:read:list"}) {
    EXPECT_FALSE(from_text(std::type_identity<Scope>{}, bad)) << bad;
  }
  EXPECT_TRUE(covers(scope("billing:read"), Resource::statement, Action::list));
  EXPECT_FALSE(covers(scope("billing:read"), Resource::job, Action::read));
  EXPECT_FALSE(covers(scope("billing:read"), Resource::budget, Action::update));
  EXPECT_EQ(json::write(std::vector<Scope>{scope("job:*")}), R"(["job:*"])");
}

TEST(KeyText, MadeParsedHashed) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    std::array<std::byte, key_bytes> bytes{};
    for (auto& b : bytes) b = static_cast<std::byte>(random.below(256));
    const Secret key = make_key(bytes);
    const std::string text(key.reveal());
    ASSERT_EQ(text.size(), key_characters);
    ASSERT_TRUE(seen.insert(text).second);
    ASSERT_EQ(hash_key(text).value(), sha256(text));
    std::string upper = text;
    for (std::size_t i = 4; i < upper.size(); ++i) upper[i] = static_cast<char>(toupper(upper[i]));
    ASSERT_EQ(hash_key(upper).value(), sha256(text)) << "case does not matter";
    // Every single wrong character and every swap of neighbours is a typing mistake.
    for (std::size_t i = 4; i < text.size(); ++i) {
      std::string wrong = text;
      wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
      ASSERT_EQ(hash_key(wrong).error().what, "the key has a typing mistake");
      if (i + 1 < text.size() && text[i] != text[i + 1]) {
        wrong = text;
        std::swap(wrong[i], wrong[i + 1]);
        ASSERT_FALSE(hash_key(wrong)) << i;
      }
    }
  }
  EXPECT_EQ(hash_key("sk-123").error().what, "not a key of this factory");
  EXPECT_EQ(hash_key("bsm_").error().what, "the key is not whole");
  EXPECT_EQ(hash_key("").error().code, Code::unauthenticated);
}

TEST(KeyText, KnownAnswer) {
  std::array<std::byte, key_bytes> bytes{};
  const std::string zero(make_key(bytes).reveal());
  EXPECT_TRUE(zero.starts_with("bsm_" + std::string(52, '0')));
  bytes.fill(std::byte{0xff});
  EXPECT_TRUE(make_key(bytes).reveal().starts_with("bsm_" + std::string(51, 'z') + "g"));
}

TEST(State, NeverHoldsAKeyAndSurvivesSnapshots) {
  State s = peopled();
  std::array<std::byte, key_bytes> bytes{};
  const Secret text = make_key(bytes);
  IssueKey c = key_of(ada, 90, on_acme);
  c.hash = hash_key(text.reveal()).value();
  c.scopes = {scope("job:*")};
  ASSERT_EQ(run(s, c, by(ada)), "");
  const std::string snapshot = codec::encode(s);
  EXPECT_EQ(snapshot.find(text.reveal().substr(4, 52)), std::string::npos);
  EXPECT_EQ(codec::decode<State>(snapshot).value(), s);
}

// Random histories: no event sequence that judge allows breaks apply, snapshots stay exact, and
// nobody without a role in a tenant ever sees it.
TEST(State, RandomHistories) {
  const Path paths[] = {on_platform, on_acme, on_vision, on_ocr, on_rival};
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    State s;
    ASSERT_EQ(run(s, Bootstrap{root, platform, root_key, hash(1)}), "");
    const auto who = [&] { return PrincipalId{1, 1 + random.below(8)}; };
    const auto role = [&] { return static_cast<Role>(random.below(5)); };
    for (std::uint64_t step = 0; step < 300; ++step) {
      const Path& path = paths[random.below(5)];
      const Context ctx = random.chance(1, 3) ? by({}) : by(who());
      switch (random.below(9)) {
        case 0: run(s, CreateUser{who(), path.front()}, ctx); break;
        case 1: run(s, CreateServiceAccount{who(), path.front(), "sa"}, ctx); break;
        case 2: run(s, Disable{who()}, ctx); break;
        case 3: run(s, Enable{who()}, ctx); break;
        case 4: if (random.chance(1, 8)) run(s, Erase{who()}, ctx); break;
        case 5: run(s, Unbind{who(), role(), path.front()}, ctx); break;
        case 6: {
          IssueKey c = key_of(who(), 100 + step, path);
          const Principal* owner = find(s, c.owner);
          if (owner == nullptr) break;
          for (const Path& home : paths) {
            if (home.front() == owner->home) c.home_path = home;
          }
          run(s, c, ctx);
          break;
        }
        case 7: run(s, RevokeKey{KeyId{2, 100 + random.below(step + 1)}}, ctx); break;
        default: run(s, Bind{who(), role(), path}, ctx); break;
      }
    }
    bool someone = false;
    for (const auto& [id, principal] : s.principals) {
      someone |= verdict(s, {id, {}}, on_platform, Resource::node, Action::update) == "allowed";
      const auto& grants = s.grants[id];
      const bool in_rival = grants.contains(rival) || grants.contains(platform);
      if (!in_rival) {
        ASSERT_EQ(verdict(s, {id, {}}, on_rival, Resource::org, Action::read), "not_found");
      }
      if (grants.empty()) s.grants.erase(id);
    }
    ASSERT_TRUE(someone) << "a platform administrator is always left";
    ASSERT_EQ(codec::decode<State>(codec::encode(s)).value(), s);
  }
}

}  // namespace
}  // namespace bessemer::access

// Secrets: the resource, the sealed files, people who are forgotten, and masks in streams.
#include "governance/secret/secret.h"

#include <gtest/gtest.h>

#include <map>

#include "base/codec.h"
#include "base/random.h"
#include "base/text.h"
#include "governance/secret/masker.h"
#include "governance/secret/people.h"
#include "governance/secret/vault.h"

namespace bessemer::secret {
namespace {

// A disk in memory: enough of the contract for whole files.
class MemoryDisk final : public world::Disk {
 public:
  std::map<std::string, std::string, std::less<>> files;

  Result<std::unique_ptr<world::File>> open(std::string_view path, world::OpenMode mode) override {
    const bool there = files.contains(path);
    if (mode == world::OpenMode::create && there) return conflict("exists");
    if (mode != world::OpenMode::create && !there) return not_found("no such file");
    return std::unique_ptr<world::File>(new MemoryFile(files[std::string(path)]));
  }
  Result<std::vector<std::string>> list(std::string_view directory) const override {
    std::vector<std::string> names;
    for (const auto& [path, bytes] : files) {
      if (path.starts_with(std::string(directory) + "/")) {
        names.push_back(path.substr(directory.size() + 1));
      }
    }
    return names;
  }
  bool exists(std::string_view path) const override { return files.contains(path); }
  Result<void> rename(std::string_view from, std::string_view to) override {
    files[std::string(to)] = std::move(files.find(from)->second);
    files.erase(files.find(from));
    return {};
  }
  Result<void> remove(std::string_view path) override {
    if (fail_removals) return internal("the disk is gone");
    files.erase(files.find(path));
    return {};
  }
  Result<void> make_directories(std::string_view) override { return {}; }
  Result<void> sync_directory(std::string_view) override { return {}; }
  Result<std::unique_ptr<world::Lock>> lock(std::string_view) override {
    return unavailable("this disk has no locks");
  }

  bool fail_removals = false;

 private:
  struct MemoryFile final : world::File {
    explicit MemoryFile(std::string& bytes) : bytes_(bytes) {}
    Result<void> write_at(std::uint64_t offset, std::string_view text) override {
      if (bytes_.size() < offset + text.size()) bytes_.resize(offset + text.size());
      bytes_.replace(offset, text.size(), text);
      return {};
    }
    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
      return bytes_.copy(into.data(), into.size(), offset);
    }
    Result<void> sync() override { return {}; }
    Result<std::uint64_t> size() const override { return bytes_.size(); }
    Result<void> truncate(std::uint64_t size) override {
      bytes_.resize(size);
      return {};
    }
    std::string& bytes_;
  };
};

class SeededEntropy final : public world::Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed) : random_(seed) {}
  void fill(std::span<std::byte> into) override {
    for (std::byte& b : into) b = static_cast<std::byte>(random_.below(256));
  }

 private:
  Random random_;
};

class ZeroEntropy final : public world::Entropy {
 public:
  void fill(std::span<std::byte> into) override {
    for (std::byte& b : into) b = std::byte{0};
  }
};

struct World {
  MemoryDisk disk;
  SeededEntropy entropy{7};
  MasterKey master = MasterKey::open(disk, entropy).value();
  // True when any file holds the text.
  bool holds(std::string_view text) const {
    for (const auto& [path, bytes] : disk.files) {
      if ((path + "\n" + bytes).find(text) != std::string::npos) return true;
    }
    return false;
  }
};

constexpr OrgId acme{9, 1}, vision{9, 2}, rival{9, 3};
const Context now{};

std::string run(State& state, const Command& command) {
  auto events = judge(state, command, now);
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, now);
  return "";
}

TEST(Sealed, HkdfKnownAnswer) {  // RFC 5869, test case 1, first 32 bytes
  const std::string ikm(22, '\x0b');
  EXPECT_EQ(to_hex(derive_key(ikm, *from_hex("000102030405060708090a0b0c"),
                              *from_hex("f0f1f2f3f4f5f6f7f8f9")).reveal()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

TEST(Sealed, GcmKnownAnswer) {  // the GCM specification's test case 14
  ZeroEntropy zero;
  const Secret key(std::string(32, '\0'));
  EXPECT_EQ(to_hex(seal(key, "", std::string(16, '\0'), zero)),
            to_hex("BSV1") + "000000000000000000000000" + "cea7403d4d606b6e074ec5d3baf39d18" +
                "d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(Sealed, OnlyWhatWasSealedOpens) {
  SeededEntropy entropy(1);
  const Secret key(std::string(32, 'k')), other(std::string(32, 'l'));
  const std::string blob = seal(key, "here", "the value", entropy);
  EXPECT_EQ(unseal(key, "here", blob)->reveal(), "the value");
  EXPECT_EQ(unseal(key, "there", blob).error().reason, "not_authentic");
  EXPECT_FALSE(unseal(other, "here", blob));
  for (std::size_t i = 0; i < blob.size(); ++i) {
    std::string altered = blob;
    altered[i] ^= 1;
    ASSERT_FALSE(unseal(key, "here", altered)) << "byte " << i;
    ASSERT_FALSE(unseal(key, "here", std::string_view(blob).substr(0, i))) << "cut at " << i;
  }
  EXPECT_NE(seal(key, "here", "the value", entropy), blob) << "a fresh nonce each time";
}

TEST(MasterKeyFile, MadeOnceAndChecked) {
  World w;
  const Secret first = w.master.derived("secret", "acme");
  EXPECT_EQ(MasterKey::open(w.disk, w.entropy)->derived("secret", "acme").reveal(),
            first.reveal());
  EXPECT_NE(w.master.derived("secret", "rival").reveal(), first.reveal());
  EXPECT_NE(w.master.derived("secretacme", "").reveal(), first.reveal());
  w.disk.files["secrets/sealed/something"] = "sealed";
  const std::string kept = std::exchange(w.disk.files["secrets/master.key"], "short");
  EXPECT_EQ(MasterKey::open(w.disk, w.entropy).error().code, Code::invalid);
  w.disk.files.erase("secrets/master.key");
  EXPECT_EQ(MasterKey::open(w.disk, w.entropy).error().code, Code::invalid) << "no new one";
  w.disk.files["secrets/master.key"] = kept + "more";
  EXPECT_EQ(MasterKey::open(w.disk, w.entropy).error().code, Code::invalid);
}

TEST(Vault, ABlobBelongsToItsPlace) {
  World w;
  Vault vault = Vault::open(w.disk, w.entropy, w.master).value();
  const Place place{acme, vision, "hub-token", 1};
  const Digest blob = vault.store(place, Secret("hf_planted_value")).value();
  EXPECT_EQ(vault.load(place, blob)->reveal(), "hf_planted_value");
  EXPECT_FALSE(w.holds("hf_planted_value"));
  EXPECT_FALSE(w.holds("hub-token"));
  const Place wrong_places[] = {{rival, vision, "hub-token", 1},
                                {acme, rival, "hub-token", 1},
                                {acme, vision, "other", 1},
                                {acme, vision, "hub-token", 2}};
  for (const Place& wrong : wrong_places) {
    EXPECT_EQ(vault.load(wrong, blob).error().reason, "not_authentic");
  }
  EXPECT_EQ(vault.load(place, sha256("nothing")).error().code, Code::not_found);
  EXPECT_EQ(vault.store(place, Secret("abc")).error().field, "value");
  EXPECT_EQ(vault.store(place, Secret(std::string(max_value + 1, 'x'))).error().field, "value");
}

TEST(Vault, SweepsWhatNothingNames) {
  World w;
  Vault vault = Vault::open(w.disk, w.entropy, w.master).value();
  const Place place{acme, vision, "token", 1};
  const Digest kept = vault.store(place, Secret("first value")).value();
  const Digest lost = vault.store(place, Secret("second value")).value();
  w.disk.files["secrets/sealed/half.new"] = "torn";
  EXPECT_EQ(vault.sweep({kept}).value(), 2u);
  EXPECT_TRUE(vault.load(place, kept));
  EXPECT_FALSE(vault.load(place, lost));
  EXPECT_EQ(vault.sweep({kept}).value(), 0u);
}

TEST(Secrets, NamesAndVersions) {
  State s;
  const auto put = [&](std::uint64_t id, std::uint32_t version, std::string_view blob) {
    return run(s, Put{SecretId{4, id}, vision, "token", version, sha256(blob)});
  };
  EXPECT_EQ(next_version(s, vision, "token"), 1u);
  EXPECT_TRUE(put(1, 2, "a").starts_with("version: another version was stored"));
  EXPECT_EQ(put(1, 1, "a"), "");
  EXPECT_EQ(put(1, 1, "a"), "") << "the same again is done already";
  EXPECT_NE(put(1, 1, "b"), "") << "two at once: the second seals again";
  EXPECT_EQ(put(2, 2, "b"), "") << "the id of a known name is ignored";
  EXPECT_EQ(find(s, vision, "token")->id, (SecretId{4, 1}));
  for (std::uint32_t v = 3; v < 3 + kept_versions; ++v) EXPECT_EQ(put(1, v, std::to_string(v)), "");
  EXPECT_EQ(find(s, vision, "token")->versions.size(), kept_versions);
  EXPECT_EQ(sealed_blobs(s).size(), kept_versions);
  EXPECT_FALSE(sealed_blobs(s).contains(sha256("a")));
  EXPECT_EQ(find(s, rival, "token"), nullptr);
  EXPECT_TRUE(list(s, rival).empty());
  EXPECT_EQ(judge(s, Remove{rival, "token"}, now).error().code, Code::not_found);
  EXPECT_EQ(codec::decode<State>(codec::encode(s)).value(), s);
  EXPECT_EQ(run(s, Remove{vision, "token"}), "");
  EXPECT_EQ(s, State{});
}

TEST(Secrets, BadInput) {
  State s;
  Put c{{}, {}, "No Name", 1, sha256("x")};
  EXPECT_TRUE(run(s, c).starts_with("project: "));
  c.project = vision;
  EXPECT_TRUE(run(s, c).starts_with("name: "));
  c.name = "token";
  EXPECT_TRUE(run(s, c).starts_with("id: "));
  c.id = {4, 1};
  EXPECT_EQ(run(s, c), "");
  c.name = "other";
  EXPECT_TRUE(run(s, c).starts_with("id: another secret"));
}

TEST(PeopleStore, FindsAndForgets) {
  World w;
  constexpr PrincipalId ada{1, 1}, bob{1, 2};
  People people = People::open(w.disk, w.entropy, w.master).value();
  ASSERT_TRUE(people.put(ada, {"Ada Lovelace", "Ada@Example.org"}));
  ASSERT_TRUE(people.put(bob, {"Bob", "bob@example.org"}));
  EXPECT_EQ(people.put(bob, {"Bob", "ada@example.org"}).error().code, Code::conflict);
  EXPECT_EQ(people.get(ada)->name, "Ada Lovelace");
  EXPECT_EQ(people.find_by_email("ada@example.ORG"), ada);
  EXPECT_EQ(people.find_by_email(""), PrincipalId{});
  for (const char* text : {"Ada", "ada@", "xample"}) EXPECT_FALSE(w.holds(text)) << text;

  People again = People::open(w.disk, w.entropy, w.master).value();
  EXPECT_EQ(again.find_by_email("bob@example.org"), bob);
  EXPECT_EQ(again.list().size(), 2u);

  // A backup of the data is noise once the key is gone.
  const std::string backup = w.disk.files["people/" + to_text(ada)];
  ASSERT_TRUE(people.erase(ada));
  EXPECT_EQ(people.get(ada).error().code, Code::not_found);
  EXPECT_EQ(people.find_by_email("ada@example.org"), PrincipalId{});
  w.disk.files["people/" + to_text(ada)] = backup;
  People restored = People::open(w.disk, w.entropy, w.master).value();
  EXPECT_FALSE(restored.get(ada));
  EXPECT_EQ(restored.list().size(), 1u);
  EXPECT_TRUE(people.erase(ada)) << "again is fine";
  EXPECT_TRUE(people.put(bob, {"Bob", "ada@example.org"})) << "the address is free";
  EXPECT_EQ(people.find_by_email("bob@example.org"), PrincipalId{});
}

TEST(PeopleStore, AnErasureCutShortIsFinishedAtStart) {
  World w;
  constexpr PrincipalId ada{1, 1};
  People people = People::open(w.disk, w.entropy, w.master).value();
  ASSERT_TRUE(people.put(ada, {"Ada", ""}));
  w.disk.fail_removals = true;
  EXPECT_FALSE(people.erase(ada));
  w.disk.fail_removals = false;
  People again = People::open(w.disk, w.entropy, w.master).value();
  EXPECT_TRUE(again.list().empty());
  EXPECT_TRUE(w.disk.list("people")->empty());
}

TEST(PeopleStore, BadInput) {
  World w;
  People people = People::open(w.disk, w.entropy, w.master).value();
  const auto field = [&](Person person) { return people.put({1, 1}, person).error().field; };
  EXPECT_EQ(field({"", ""}), "name");
  EXPECT_EQ(field({std::string(max_person_text + 1, 'x'), ""}), "name");
  EXPECT_EQ(field({"two\nlines", ""}), "name");
  for (const char* bad : {"nobody", "@x", "x@", "\xff@x"}) EXPECT_EQ(field({"n", bad}), "email");
  ASSERT_TRUE(people.put({1, 1}, {"Ada", ""}));
  ASSERT_TRUE(people.put({1, 2}, {"Bob", ""}));
  std::swap(w.disk.files["people/" + to_text(PrincipalId{1, 1})],
            w.disk.files["people/" + to_text(PrincipalId{1, 2})]);
  EXPECT_EQ(people.get({1, 1}).error().reason, "not_authentic") << "swapped";
}

std::string masked(Masker& masker, const std::vector<std::string_view>& pieces) {
  std::string out;
  for (const auto piece : pieces) out += masker.feed(piece);
  return out + masker.finish();
}

TEST(Masker, Tables) {
  Masker m;
  EXPECT_TRUE(m.empty());
  m.add(Secret("hunter22"));
  m.add(Secret("abcd"));
  m.add(Secret("cdef"));
  m.add(Secret("abc"));  // too short to be one
  EXPECT_EQ(masked(m, {"password hunter22!"}), "password ***!");
  EXPECT_EQ(masked(m, {"pass hun", "ter", "22", " and hunter2"}), "pass *** and hunter2");
  EXPECT_EQ(masked(m, {"xabcdefx"}), "x***x") << "overlapping values are covered whole";
  EXPECT_EQ(masked(m, {"xabcd", "efx"}), "x***x");
  EXPECT_EQ(masked(m, {"xabc", "d", "e", "fx"}), "x***x");
  EXPECT_EQ(masked(m, {"abcdabcd"}), "******");
  EXPECT_EQ(masked(m, {"abc"}), "abc");
  EXPECT_EQ(masked(m, {to_base64("hunter22"), " ", to_hex("hunter22")}), "***= ***");
  EXPECT_EQ(masked(m, {""}), "");
}

TEST(Masker, ValuesOfSeveralLines) {
  Masker m;
  m.add(Secret("-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n"));
  EXPECT_EQ(masked(m, {"log: MIIEvQIBADANBg\nlog: kqhkiG9w0BAQ\n"}), "log: ***\nlog: ***\n");
}

TEST(Masker, HoldsBackNoMoreThanNeeded) {
  Masker m;
  m.add(Secret("hunter22"));
  EXPECT_EQ(m.feed("hello h"), "hello ");
  EXPECT_EQ(m.feed("ow"), "how");
  EXPECT_EQ(m.feed("h\n"), "h\n");
}

// However a text is cut into pieces, the result is that of the whole; no value is left in it.
TEST(Masker, RandomCuts) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const auto word = [&](std::uint64_t least, std::uint64_t most) {
      std::string text;
      const std::uint64_t size = least + random.below(most - least + 1);
      while (text.size() < size) text += static_cast<char>('a' + random.below(2));
      return text;
    };
    Masker m;
    std::vector<std::string> values;
    for (std::uint64_t i = 0; i < 1 + random.below(4); ++i) {
      values.push_back(word(min_value, 9));
      m.add(Secret(values.back()));
    }
    const std::string text = word(0, 120);
    const std::string whole = masked(m, {text});
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + random.below(7);
      pieces.push_back(std::string_view(text).substr(at, size));
      at += size;
    }
    ASSERT_EQ(masked(m, pieces), whole) << text;
    for (const std::string& value : values) ASSERT_EQ(whole.find(value), std::string::npos);
    // Exactly the bytes that belong to no value are shown.
    std::vector<bool> covered(text.size());
    for (const std::string& value : values) {
      for (auto at = text.find(value); at != std::string::npos; at = text.find(value, at + 1)) {
        for (std::size_t i = 0; i < value.size(); ++i) covered[at + i] = true;
      }
    }
    std::string free, shown;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (!covered[i]) free += text[i];
    }
    for (const char c : whole) {
      if (c != '*') shown += c;
    }
    ASSERT_EQ(shown, free) << text;
  }
}

}  // namespace
}  // namespace bessemer::secret

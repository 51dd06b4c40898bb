// The store on a real directory: uploads, blobs, trees, laying out, garbage.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/random.h"
#include "data/artifact/directory_store.h"
#include "data/artifact/layout.h"
#include "data/artifact/read_tree.h"
#include "world/real/disk.h"
#include "world/real/tree.h"

namespace bessemer::artifact {
namespace {

namespace fs = std::filesystem;

constexpr OrgId tenant{1, 1}, other{1, 2};
constexpr UploadId upload_id{5, 1};

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/bessemer-store-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    top_ = pattern;
    open();
  }
  void TearDown() override {
    store_.reset();
    for (const auto& entry : fs::recursive_directory_iterator(top_)) {
      if (entry.is_directory()) fs::permissions(entry, fs::perms::owner_all);
    }
    fs::remove_all(top_);
  }
  // The process starts again.
  void open() {
    store_.reset();
    disk_ = *real::RealDisk::open_root(top_);
    tree_ = *real::RealTree::open_root(top_);
    auto opened = DirectoryStore::open(*disk_, *tree_);
    ASSERT_TRUE(opened) << to_text(opened.error());
    store_ = std::move(*opened);
  }
  std::string file(const std::string& path) {
    std::ifstream in(top_ + "/" + path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  unsigned mode(const std::string& path) {
    struct stat about{};
    return ::stat((top_ + "/" + path).c_str(), &about) == 0 ? about.st_mode & 0777u : 0;
  }
  Entry put(const std::string& path, const std::string& bytes, bool executable = false) {
    const auto blob = store_->put(tenant, bytes);
    EXPECT_TRUE(blob) << to_text(blob.error());
    return {path, blob->bytes, blob->digest, executable};
  }
  Digest publish(std::vector<Entry> entries) {
    const auto digest = store_->publish(tenant, *make_manifest(std::move(entries)));
    EXPECT_TRUE(digest) << to_text(digest.error());
    return *digest;
  }
  Collected collect(const std::set<Digest>& roots) {
    const auto done = store_->collect(tenant, roots, Instant{});
    EXPECT_TRUE(done) << to_text(done.error());
    return *done;
  }

  std::string top_;
  std::unique_ptr<real::RealDisk> disk_;
  std::unique_ptr<real::RealTree> tree_;
  std::unique_ptr<DirectoryStore> store_;
};

TEST_F(StoreTest, AnUploadGoesOnWhereItStopped) {
  const std::string bytes = "the quick brown fox jumps over the lazy dog";
  ASSERT_TRUE(store_->begin({upload_id, tenant, bytes.size(), Instant{1}}));
  EXPECT_EQ(*store_->append(tenant, upload_id, 0, bytes.substr(0, 10)), 10u);
  EXPECT_EQ(store_->append(tenant, upload_id, 9, "xx").error().code, Code::conflict);
  EXPECT_EQ(store_->commit(tenant, upload_id, sha256(bytes)).error().code, Code::conflict);
  open();
  ASSERT_TRUE(store_->begin({upload_id, tenant, bytes.size(), Instant{1}}));
  EXPECT_EQ(*store_->arrived(tenant, upload_id), 10u);
  EXPECT_EQ(*store_->append(tenant, upload_id, 10, bytes.substr(10)), bytes.size());
  EXPECT_EQ(store_->append(tenant, upload_id, bytes.size(), "x").error().code, Code::invalid);
  const auto blob = store_->commit(tenant, upload_id, sha256(bytes));
  ASSERT_TRUE(blob) << to_text(blob.error());
  EXPECT_EQ(*blob, (Blob{sha256(bytes), bytes.size()}));
  EXPECT_EQ(*store_->commit(tenant, upload_id, sha256(bytes)), *blob);  // the answer was lost
  EXPECT_EQ(*store_->arrived(tenant, upload_id), bytes.size());
  EXPECT_EQ(store_->append(tenant, upload_id, bytes.size(), "x").error().code, Code::not_found);
  EXPECT_TRUE(store_->verify(tenant, blob->digest));
  EXPECT_EQ(mode(layout::blob(tenant, blob->digest)), 0444u);
  std::string into(5, ' ');
  EXPECT_EQ(*store_->read(tenant, blob->digest, 4, into), 5u);
  EXPECT_EQ(into, "quick");
  EXPECT_EQ(*store_->read(tenant, blob->digest, bytes.size() - 2, into), 2u);
}

TEST_F(StoreTest, WrongBytesAreRefusedAndDropped) {
  ASSERT_TRUE(store_->begin({upload_id, tenant, 3, Instant{1}}));
  ASSERT_TRUE(store_->append(tenant, upload_id, 0, "abc"));
  const auto blob = store_->commit(tenant, upload_id, sha256("abd"));
  ASSERT_FALSE(blob);
  EXPECT_EQ(blob.error().code, Code::invalid);
  EXPECT_EQ(blob.error().field, "digest");
  EXPECT_EQ(store_->arrived(tenant, upload_id).error().code, Code::not_found);
  EXPECT_FALSE(store_->has_blob(tenant, sha256("abc")));
  EXPECT_FALSE(store_->has_blob(tenant, sha256("abd")));
}

TEST_F(StoreTest, UploadsAreBounded) {
  EXPECT_EQ(store_->begin({upload_id, tenant, max_upload_bytes + 1, {}}).error().code,
            Code::invalid);
  EXPECT_EQ(store_->begin({UploadId{}, tenant, 1, {}}).error().code, Code::invalid);
  ASSERT_TRUE(store_->begin({upload_id, tenant, 1, {}}));
  EXPECT_EQ(store_->begin({upload_id, tenant, 2, {}}).error().code, Code::conflict);
  EXPECT_EQ(store_->append(tenant, upload_id, 0, std::string(max_piece + 1, 'x')).error().code,
            Code::invalid);
  for (std::uint64_t i = 2; i <= max_open_uploads; ++i) {
    ASSERT_TRUE(store_->begin({UploadId{5, i}, tenant, 1, {}}));
  }
  EXPECT_EQ(store_->begin({UploadId{6, 1}, tenant, 1, {}}).error().code, Code::exhausted);
  EXPECT_TRUE(store_->begin({UploadId{6, 2}, other, 1, {}}));
  ASSERT_TRUE(store_->abandon(tenant, upload_id));
  EXPECT_TRUE(store_->begin({UploadId{6, 1}, tenant, 1, {}}));
}

TEST_F(StoreTest, OneTenantLearnsNothingOfAnother) {
  const Entry entry = put("model.bin", "precious");
  const Digest tree = publish({entry});
  const Manifest manifest = *make_manifest({entry});
  EXPECT_FALSE(store_->has_blob(other, entry.digest));
  EXPECT_FALSE(store_->has_tree(other, tree));
  EXPECT_EQ(store_->missing(other, manifest)->size(), 1u);
  EXPECT_EQ(store_->missing(tenant, manifest)->size(), 0u);
  EXPECT_EQ(store_->publish(other, manifest).error().code, Code::conflict);
  EXPECT_EQ(store_->lay_out(other, tree).error().code, Code::not_found);
  ASSERT_TRUE(store_->begin({upload_id, tenant, 3, {}}));
  EXPECT_EQ(store_->append(other, upload_id, 0, "abc").error().code, Code::not_found);
  EXPECT_EQ(store_->commit(other, upload_id, entry.digest).error().code, Code::not_found);
  EXPECT_EQ(store_->abandon(other, upload_id).error().code, Code::not_found);
  ASSERT_TRUE(store_->put(other, "precious"));
  EXPECT_EQ(*store_->tenants(), (std::vector<OrgId>{tenant, other}));
  for (int i = 0; i < 3; ++i) collect({});
  EXPECT_FALSE(store_->has_blob(tenant, entry.digest));
  EXPECT_TRUE(store_->has_blob(other, entry.digest));
}

TEST_F(StoreTest, ATreeNeedsAllItsBlobs) {
  const Entry here = put("a", "here");
  const Entry absent{"b", 6, sha256("absent"), false};
  const Manifest manifest = *make_manifest({here, absent});
  EXPECT_EQ(*store_->missing(tenant, manifest), std::vector<Digest>{absent.digest});
  const auto refused = store_->publish(tenant, manifest);
  EXPECT_EQ(to_text(refused.error()), "b: its bytes have not been uploaded");
  Entry wrong = here;
  wrong.bytes = 3;
  EXPECT_EQ(to_text(store_->publish(tenant, *make_manifest({wrong})).error()),
            "a: is announced with 3 bytes and has 4");
  ASSERT_TRUE(store_->put(tenant, "absent"));
  const auto tree = store_->publish(tenant, manifest);
  ASSERT_TRUE(tree);
  EXPECT_EQ(*store_->tree(tenant, *tree), manifest);
  EXPECT_EQ(*store_->publish(tenant, manifest), *tree);
}

TEST_F(StoreTest, LaysATreeOutReadOnlyOnce) {
  const Digest tree = publish({put("data/corpus.txt", "words"), put("data/copy.txt", "words"),
                               put("run.sh", "#!/bin/sh\n", true), put("code/a/b/c.py", "pass")});
  const auto place = store_->lay_out(tenant, tree);
  ASSERT_TRUE(place) << to_text(place.error());
  EXPECT_EQ(file(*place + "/data/corpus.txt"), "words");
  EXPECT_EQ(file(*place + "/code/a/b/c.py"), "pass");
  EXPECT_EQ(mode(*place + "/data/corpus.txt"), 0444u);
  EXPECT_EQ(mode(*place + "/run.sh"), 0555u);
  EXPECT_EQ(mode(*place + "/code/a"), 0555u);
  EXPECT_EQ(mode(*place), 0555u);
  struct stat about{};
  ASSERT_EQ(::stat((top_ + "/" + *place + "/data/copy.txt").c_str(), &about), 0);
  EXPECT_EQ(about.st_nlink, 3u);  // the blob and its two names
  EXPECT_EQ(*store_->lay_out(tenant, tree), *place);
}

// What a reader is told, as text.
struct Told final : TreeReader {
  std::string text;
  void begin_file(std::string_view path) override { text += "<" + std::string(path) + ":"; }
  void add(std::string_view bytes) override { text += bytes; }
  void end_file() override { text += ">"; }
};

// The whole tree, in pieces of `room` bytes.
Result<void> read_tree(const Store& store, OrgId of, const Digest& tree, TreeReader& reader,
                       std::size_t room) {
  TreeReading reading(store, of, tree, reader);
  std::string piece(room, '\0');
  while (true) {
    TRY_ASSIGN(const bool more, reading.step(piece));
    if (!more) return {};
  }
}

TEST_F(StoreTest, ATreeIsReadInOrderAndVerified) {
  const Entry b = put("b", "two");
  const Digest tree = publish({b, put("a/x", "one"), put("c", "")});
  for (const std::size_t room : {1u, 2u, 3u, 100u}) {
    Told told;
    ASSERT_TRUE(read_tree(*store_, tenant, tree, told, room));
    EXPECT_EQ(told.text, "<a/x:one><b:two><c:>");
  }
  Told told;
  EXPECT_EQ(read_tree(*store_, other, tree, told, 2).error().code, Code::not_found);
  const std::string path = top_ + "/" + layout::blob(tenant, b.digest);
  fs::permissions(path, fs::perms::owner_all);
  std::ofstream(path) << "twX";
  EXPECT_EQ(to_text(read_tree(*store_, tenant, tree, told, 2).error()),
            "b: the stored bytes are damaged");
  std::ofstream(path) << "tw";
  EXPECT_EQ(read_tree(*store_, tenant, tree, told, 2).error().code, Code::internal);
}

TEST_F(StoreTest, DamageIsFoundBeforeATaskReadsIt) {
  const Entry entry = put("weights", "0123456789");
  const Digest tree = publish({entry});
  const std::string path = top_ + "/" + layout::blob(tenant, entry.digest);
  fs::permissions(path, fs::perms::owner_all);
  std::ofstream(path) << "012345678X";
  const auto place = store_->lay_out(tenant, tree);
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code, Code::internal);
  EXPECT_EQ(place.error().field, "weights.digest");
  EXPECT_FALSE(store_->has_blob(tenant, entry.digest));  // so that it can be uploaded again
  ASSERT_TRUE(store_->put(tenant, "0123456789"));
  EXPECT_TRUE(store_->lay_out(tenant, tree));
}

TEST_F(StoreTest, ADamagedManifestIsNoTreeAndStopsTheCollector) {
  const Digest tree = publish({put("a", "a")});
  std::ofstream(top_ + "/" + layout::tree(tenant, tree)) << "bessemer-tree 1\n";
  EXPECT_EQ(store_->tree(tenant, tree).error().code, Code::internal);
  EXPECT_EQ(store_->collect(tenant, {tree}, {}).error().code, Code::internal);
  EXPECT_TRUE(store_->has_blob(tenant, sha256("a")));
}

TEST_F(StoreTest, CollectsWhatNothingNeedsAndNothingElse) {
  const Digest kept = publish({put("a", "shared"), put("b", "kept")});
  const Digest gone = publish({put("a", "shared"), put("b", "gone")});
  ASSERT_TRUE(store_->lay_out(tenant, gone));
  ASSERT_TRUE(store_->lay_out(tenant, kept));
  const Blob lonely = *store_->put(tenant, "lonely");
  const Blob rooted = *store_->put(tenant, "rooted");
  EXPECT_EQ(collect({kept, rooted.digest}), Collected{});  // the first time is a doubt
  EXPECT_EQ(collect({kept, rooted.digest}), (Collected{1, 1, 0, 6}));
  EXPECT_EQ(collect({kept, rooted.digest}), (Collected{1, 0, 0, 4}));  // what `gone` had held
  EXPECT_EQ(collect({kept, rooted.digest}), Collected{});
  EXPECT_FALSE(store_->has_tree(tenant, gone));
  EXPECT_FALSE(fs::exists(top_ + "/" + layout::laid(tenant, gone)));
  EXPECT_FALSE(store_->has_blob(tenant, lonely.digest));
  EXPECT_TRUE(store_->has_blob(tenant, rooted.digest));
  EXPECT_TRUE(store_->has_blob(tenant, sha256("shared")));
  EXPECT_TRUE(fs::exists(top_ + "/" + layout::laid(tenant, kept) + "/b"));
}

TEST_F(StoreTest, WhatIsStoredAgainIsNoLongerInDoubt) {
  const Entry entry = put("a", "again");
  const Digest tree = publish({entry});
  EXPECT_EQ(collect({}), Collected{});
  EXPECT_EQ(publish({entry}), tree);  // its fact is on the way
  EXPECT_EQ(collect({}), Collected{});
  EXPECT_EQ(collect({tree}), Collected{});
  EXPECT_TRUE(store_->has_tree(tenant, tree));
  EXPECT_TRUE(store_->has_blob(tenant, entry.digest));
}

TEST_F(StoreTest, CollectsOldUploadsOnly) {
  ASSERT_TRUE(store_->begin({UploadId{5, 1}, tenant, 3, Instant{100}}));
  ASSERT_TRUE(store_->begin({UploadId{5, 2}, tenant, 3, Instant{200}}));
  EXPECT_EQ(store_->collect(tenant, {}, Instant{200})->uploads, 1u);
  EXPECT_FALSE(store_->arrived(tenant, UploadId{5, 1}));
  EXPECT_TRUE(store_->arrived(tenant, UploadId{5, 2}));
}

// Which project uploaded what is known until its tree is published, also across a restart.
TEST_F(StoreTest, AnEndedUploadIsKeptUntilItIsSettled) {
  const OrgId one{7, 1}, two{7, 2};
  const Digest blob = sha256("abc");
  Upload upload{upload_id, tenant, 3, Instant{100}, one, blob};
  ASSERT_TRUE(store_->begin(upload));
  ASSERT_TRUE(store_->append(tenant, upload_id, 0, "abc"));
  ASSERT_TRUE(store_->commit(tenant, upload_id, blob));
  upload.committed = true;
  open();
  EXPECT_EQ(store_->uploads(), std::vector<Upload>{upload});
  EXPECT_EQ(store_->commit(other, upload_id, blob).error().code, Code::not_found);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(store_->collect(tenant, {}, Instant{100})->blobs, 0u) << "its blob is wanted";
  }
  ASSERT_TRUE(store_->settle(tenant, two, {blob}));
  ASSERT_TRUE(store_->settle(tenant, one, {sha256("else")}));
  EXPECT_EQ(store_->uploads().size(), 1u);
  ASSERT_TRUE(store_->settle(tenant, one, {blob}));
  EXPECT_TRUE(store_->uploads().empty());
  EXPECT_EQ(store_->commit(tenant, upload_id, blob).error().code, Code::not_found);
}

TEST_F(StoreTest, AnEndedUploadThatNobodyPublishesGoesWithItsBlob) {
  ASSERT_TRUE(store_->begin({upload_id, tenant, 3, Instant{100}, OrgId{7, 1}, sha256("abc")}));
  ASSERT_TRUE(store_->append(tenant, upload_id, 0, "abc"));
  ASSERT_TRUE(store_->commit(tenant, upload_id, sha256("abc")));
  EXPECT_EQ(store_->collect(tenant, {}, Instant{101})->uploads, 1u);
  EXPECT_EQ(store_->collect(tenant, {}, Instant{101})->blobs, 1u);
  EXPECT_FALSE(store_->has_blob(tenant, sha256("abc")));
}

TEST_F(StoreTest, HalfMadeThingsGoAtTheNextStart) {
  const Digest tree = publish({put("a", "a")});
  ASSERT_TRUE(store_->lay_out(tenant, tree));
  fs::create_directories(top_ + "/" + layout::laid(tenant) + "/new-77/inner");
  std::ofstream(top_ + "/" + layout::laid(tenant) + "/new-77/inner/f") << "x";
  fs::permissions(top_ + "/" + layout::laid(tenant) + "/new-77/inner", fs::perms::owner_read |
                                                                     fs::perms::owner_exec);
  std::ofstream(top_ + "/" + layout::fresh(tenant) + "/12") << "half";
  open();
  EXPECT_FALSE(fs::exists(top_ + "/" + layout::laid(tenant) + "/new-77"));
  EXPECT_TRUE(fs::is_empty(top_ + "/" + layout::fresh(tenant)));
  EXPECT_TRUE(fs::exists(top_ + "/" + layout::laid(tenant, tree) + "/a"));
}

}  // namespace
}  // namespace bessemer::artifact

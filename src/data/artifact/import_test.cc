// What a hostile task leaves in its output directory gets nowhere.
#include "data/artifact/import.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "data/artifact/directory_store.h"
#include "world/real/disk.h"
#include "world/real/tree.h"

namespace bessemer::artifact {
namespace {

namespace fs = std::filesystem;

constexpr OrgId tenant{1, 1};

class ImportTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/bessemer-import-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    top_ = pattern;
    outputs_ = top_ + "/outputs";
    fs::create_directories(outputs_ + "/model");
    fs::create_directories(top_ + "/other_tenant");
    std::ofstream(top_ + "/other_tenant/secret") << "another's secret";
    disk_ = *real::RealDisk::open_root(top_ + "/store");
    shelves_ = *real::RealTree::open_root(top_ + "/store");
    store_ = *DirectoryStore::open(*disk_, *shelves_);
    from_ = *real::RealTree::open_root(outputs_);
  }
  void TearDown() override { fs::remove_all(top_); }
  void write(const std::string& path, const std::string& bytes) {
    fs::create_directories(fs::path(outputs_ + "/" + path).parent_path());
    std::ofstream(outputs_ + "/" + path) << bytes;
  }
  Result<Imported> import(ImportLimits limits = {}) {
    return import_tree(*store_, tenant, *from_, "model", limits);
  }
  std::string refusal(ImportLimits limits = {}) {
    const auto done = import(limits);
    return done ? "accepted" : to_text(done.error());
  }

  std::string top_, outputs_;
  std::unique_ptr<real::RealDisk> disk_;
  std::unique_ptr<real::RealTree> shelves_, from_;
  std::unique_ptr<DirectoryStore> store_;
};

TEST_F(ImportTest, StoresFilesWithTheirPathsAndPrograms) {
  write("model/weights.bin", std::string(3'000'000, 'w'));
  write("model/config/a.json", "{}");
  write("model/run", "#!/bin/sh");
  fs::permissions(outputs_ + "/model/run", fs::perms::owner_exec, fs::perm_options::add);
  write("other/ignored", "not below model");
  const auto done = import();
  ASSERT_TRUE(done) << to_text(done.error());
  EXPECT_EQ(done->files, 3u);
  EXPECT_EQ(done->bytes, 3'000'011u);
  const Manifest manifest = *store_->tree(tenant, done->tree);
  ASSERT_EQ(manifest.entries.size(), 3u);
  EXPECT_EQ(manifest.entries[0].path, "config/a.json");
  EXPECT_EQ(manifest.entries[2].digest, sha256(std::string(3'000'000, 'w')));
  EXPECT_TRUE(find(manifest, "run")->executable);
  EXPECT_EQ(import()->tree, done->tree);
}

TEST_F(ImportTest, ALinkThatStaysInsideIsItsFile) {
  write("model/blobs/x", "bytes");
  write("shared/y", "beside");
  fs::create_symlink("blobs/x", outputs_ + "/model/latest");
  fs::create_symlink("../shared/y", outputs_ + "/model/beside");
  const auto done = import();
  ASSERT_TRUE(done) << to_text(done.error());
  const Manifest manifest = *store_->tree(tenant, done->tree);
  EXPECT_EQ(find(manifest, "latest")->digest, sha256("bytes"));
  EXPECT_EQ(find(manifest, "beside")->digest, sha256("beside"));
}

TEST_F(ImportTest, RefusesEveryWayOut) {
  struct Case { const char* target; const char* says; };
  const Case cases[] = {
      {"../../other_tenant/secret", "leaves its directory tree"},
      {"/etc/passwd", "leaves its directory tree"},
      {"../../../../../../../../etc/passwd", "leaves its directory tree"},
      {"..", "link to a directory"},
      {"/proc/self/environ", "leaves its directory tree"},
      {"missing", "No such file"},
  };
  for (const Case& one : cases) {
    fs::remove(outputs_ + "/model/link");
    fs::create_symlink(one.target, outputs_ + "/model/link");
    const std::string says = refusal();
    EXPECT_TRUE(says.starts_with("link: ")) << says;
    EXPECT_NE(says.find(one.says), std::string::npos) << one.target << ": " << says;
  }
  fs::remove(outputs_ + "/model/link");
  fs::create_directory_symlink("../../other_tenant", outputs_ + "/model/door");
  EXPECT_NE(refusal().find("link"), std::string::npos);
  EXPECT_FALSE(store_->has_blob(tenant, sha256("another's secret")));
}

TEST_F(ImportTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(::mkfifo((outputs_ + "/model/pipe").c_str(), 0600), 0);
  EXPECT_EQ(refusal(), "pipe: is a device, socket or pipe; leave only files behind");
  fs::remove(outputs_ + "/model/pipe");
  if (::mknod((outputs_ + "/model/null").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0) {
    EXPECT_EQ(refusal(), "null: is a device, socket or pipe; leave only files behind");
  }
}

TEST_F(ImportTest, RefusesNamesThatConfuse) {
  write("model/a\nb", "x");
  EXPECT_NE(refusal().find("must not hold control characters"), std::string::npos);
  fs::remove(outputs_ + "/model/a\nb");
  write("model/\xff", "x");
  EXPECT_NE(refusal().find("must be UTF-8"), std::string::npos);
}

TEST_F(ImportTest, IsBounded) {
  for (int i = 0; i < 5; ++i) write("model/f" + std::to_string(i), "12345");
  EXPECT_EQ(refusal({5, 25}), "accepted");
  EXPECT_NE(refusal({4, 1000}).find("more than 4 files"), std::string::npos);
  EXPECT_NE(refusal({5, 24}).find("is larger than 4 bytes"), std::string::npos);
  for (int i = 0; i < 40; ++i) fs::create_directories(outputs_ + "/model/d" + std::to_string(i));
  EXPECT_NE(refusal({5, 1000}).find("holds more than"), std::string::npos);
  std::string deep = outputs_ + "/model";
  for (int i = 0; i < 70; ++i) deep += "/d";
  fs::create_directories(deep);
  EXPECT_NE(refusal({1000, 1000}).find("at most 64 parts"), std::string::npos);
}

TEST_F(ImportTest, NothingThereIsSaid) {
  EXPECT_EQ(import_tree(*store_, tenant, *from_, "none", {}).error().code, Code::not_found);
  EXPECT_EQ(import_tree(*store_, tenant, *from_, "../other_tenant", {}).error().code,
            Code::invalid);
  const auto empty = import();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->files, 0u);
}

// A writer that is still at work swaps a directory for a link out, over and over: whatever the
// import sees, it never stores the other tenant's bytes.
TEST_F(ImportTest, ASwapWhileWeReadGainsNothing) {
  write("model/sub/secret", "mine");
  std::atomic<bool> stop = false;
  std::jthread writer([&] {
    std::error_code ignored;
    while (!stop) {
      fs::rename(outputs_ + "/model/sub", outputs_ + "/hidden", ignored);
      fs::create_directory_symlink(top_ + "/other_tenant", outputs_ + "/model/sub", ignored);
      fs::remove(outputs_ + "/model/sub", ignored);
      fs::rename(outputs_ + "/hidden", outputs_ + "/model/sub", ignored);
    }
  });
  for (int round = 0; round < 300; ++round) {
    static_cast<void>(import());
    ASSERT_FALSE(store_->has_blob(tenant, sha256("another's secret")));
  }
  stop = true;
}

}  // namespace
}  // namespace bessemer::artifact

// A large dataset keeps nobody from having a small one read.
#include "application/daemon/inspector.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "data/artifact/directory_store.h"
#include "world/real/disk.h"
#include "world/real/tree.h"

namespace bessemer::daemon {
namespace {

namespace fs = std::filesystem;

constexpr OrgId large{1, 1}, small{1, 2};

class ReadingsTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/bessemer-readings-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    top_ = pattern;
    disk_ = *real::RealDisk::open_root(top_);
    shelves_ = *real::RealTree::open_root(top_);
    store_ = *artifact::DirectoryStore::open(*disk_, *shelves_);
  }
  void TearDown() override { fs::remove_all(top_); }
  Digest publish(OrgId tenant, std::size_t bytes) {
    const artifact::Blob blob = *store_->put(tenant, std::string(bytes, '\n'));
    artifact::Manifest manifest;
    artifact::Entry entry;
    entry.path = "lines";
    entry.digest = blob.digest;
    entry.bytes = blob.bytes;
    manifest.entries.push_back(entry);
    return *store_->publish(tenant, manifest);
  }
  Readings::Asked asked(OrgId tenant, const Digest& tree) {
    dataset::Schema schema;
    schema.format = dataset::Format::text;
    return {tenant, tree, schema, [](Result<dataset::Validation>) {}};
  }

  std::string top_;
  std::unique_ptr<real::RealDisk> disk_;
  std::unique_ptr<real::RealTree> shelves_;
  std::unique_ptr<artifact::DirectoryStore> store_;
};

TEST_F(ReadingsTest, TheSmallOneIsDoneWithinARound) {
  constexpr std::size_t turns = 3;  // of the large one
  constexpr std::size_t many = turns * Readings::pieces_per_turn * Readings::piece_bytes;
  Readings readings(*store_);
  readings.add(asked(large, publish(large, many)));
  EXPECT_FALSE(readings.turn());
  readings.add(asked(small, publish(small, 10)));
  EXPECT_FALSE(readings.turn());
  const auto first = readings.turn();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->found->rows, 10u);
  std::optional<Readings::Done> second;
  while (!second && !readings.empty()) second = readings.turn();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->found->rows, many);
  EXPECT_FALSE(readings.turn());
}

TEST_F(ReadingsTest, WhatCannotBeReadIsAnErrorAndNoVerdict) {
  Readings readings(*store_);
  readings.add(asked(large, sha256("no such tree")));
  const auto done = readings.turn();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->found.error().code, Code::not_found);
  EXPECT_TRUE(readings.empty());
}

}  // namespace
}  // namespace bessemer::daemon

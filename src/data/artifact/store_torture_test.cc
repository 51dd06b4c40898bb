// The store on a disk that stops, forgets and fills up, at each of its steps.
#include <gtest/gtest.h>

#include "base/random.h"
#include "data/artifact/directory_store.h"
#include "data/artifact/layout.h"
#include "world/simulated/disk.h"
#include "world/simulated/tree.h"

namespace bessemer::artifact {
namespace {

using simulated::Fault;
using simulated::SimulatedDisk;
using simulated::SimulatedTree;
using simulated::Unsynced;

constexpr OrgId tenant{1, 1};
constexpr UploadId upload_id{5, 1};

// What was acknowledged: durable from then on.
struct Promised {
  std::map<Digest, std::string> blobs;
  std::map<Digest, Manifest> trees;
  bool collected = false;  // a collection was begun: only what is rooted is promised still
};

const std::string small = "small", large(3'000, 'L'), uploaded(2'500, 'U');
const std::string doomed = "doomed";

Entry entry(const std::string& path, const std::string& bytes) {
  return {path, bytes.size(), sha256(bytes), false};
}

const Manifest& wanted() {
  static const Manifest made =
      *make_manifest({entry("a/small", small), entry("large", large), entry("up", uploaded)});
  return made;
}
const Manifest& unwanted() {
  static const Manifest made = *make_manifest({entry("small", small), entry("doomed", doomed)});
  return made;
}

// A day in the life of a store; stops at the first failure.
Result<void> live(Store& store, Promised& promised) {
  TRY_ASSIGN(const Blob one, store.put(tenant, small));
  promised.blobs[one.digest] = small;
  TRY_ASSIGN(const Blob two, store.put(tenant, large));
  promised.blobs[two.digest] = large;
  TRY(store.begin({upload_id, tenant, uploaded.size(), Instant{1}}));
  TRY_ASSIGN(std::uint64_t at, store.arrived(tenant, upload_id));
  while (at < uploaded.size()) {
    TRY_ASSIGN(at, store.append(tenant, upload_id, at, uploaded.substr(at, 1'000)));
  }
  TRY_ASSIGN(const Blob three, store.commit(tenant, upload_id, sha256(uploaded)));
  promised.blobs[three.digest] = uploaded;
  TRY_ASSIGN(const Digest tree, store.publish(tenant, wanted()));
  promised.trees[tree] = wanted();
  TRY(store.put(tenant, doomed));
  TRY(store.publish(tenant, unwanted()));
  for (int i = 0; i < 3; ++i) TRY(store.collect(tenant, {tree}, Instant{}));
  if (store.has_blob(tenant, sha256(doomed))) return internal("garbage is still there");
  return {};
}

// After a restart: what was promised is there, and whatever has a name is what its name says.
void judge_what_is_left(SimulatedDisk& disk, const Promised& promised, const std::string& when) {
  SimulatedTree tree(disk);
  auto opened = DirectoryStore::open(disk, tree);
  ASSERT_TRUE(opened) << when << to_text(opened.error());
  DirectoryStore& store = **opened;
  for (const auto& [digest, bytes] : promised.blobs) {
    ASSERT_TRUE(store.verify(tenant, digest)) << when << bytes.substr(0, 5);
  }
  for (const auto& [digest, manifest] : promised.trees) {
    const auto found = store.tree(tenant, digest);
    ASSERT_TRUE(found) << when << to_text(found.error());
    ASSERT_EQ(*found, manifest) << when;
  }
  for (const auto& [path, bytes] : disk.files()) {
    const std::string trees = layout::trees(tenant) + "/", blobs = layout::blobs(tenant) + "/";
    if (path.starts_with(trees)) {
      const Digest digest = *from_text(std::type_identity<Digest>{}, path.substr(trees.size()));
      const auto found = store.tree(tenant, digest);
      ASSERT_TRUE(found) << when << path << ": " << to_text(found.error());
      ASSERT_TRUE(store.missing(tenant, *found)->empty()) << when << "a tree lost its blobs";
    } else if (path.starts_with(blobs)) {
      const std::string name = path.substr(blobs.size());  // "ab/cdef…"
      ASSERT_EQ(to_text(sha256(bytes)), name.substr(0, 2) + name.substr(3))
          << when << "a blob is not what its name says";
    }
    ASSERT_FALSE(path.starts_with(layout::fresh(tenant) + "/")) << when << path;
  }
}

TEST(StoreTorture, AStopAtEachStepLosesNothingThatWasPromised) {
  std::uint64_t steps = 0;
  {
    SimulatedDisk disk(1);
    SimulatedTree tree(disk);
    auto store = DirectoryStore::open(disk, tree);
    Promised promised;
    const auto lived = live(**store, promised);
    ASSERT_TRUE(lived) << to_text(lived.error());
    judge_what_is_left(disk, promised, "without a fault: ");
    steps = disk.calls();
  }
  ASSERT_GT(steps, 40u);
  std::uint64_t stopped = 0;
  for (const Unsynced unsynced : {Unsynced::kept, Unsynced::lost, Unsynced::torn}) {
    for (const Fault fault : {Fault::crash, Fault::refuse, Fault::tear}) {
      for (std::uint64_t n = 1; n <= steps + 10; ++n) {  // and after the last one, ten times
        SimulatedDisk disk(1'000 * n + static_cast<std::uint64_t>(unsynced));
        Promised promised;
        {
          SimulatedTree tree(disk);
          auto store = DirectoryStore::open(disk, tree);
          ASSERT_TRUE(store);
          disk.fail_call(n, fault);
          if (!live(**store, promised)) ++stopped;
        }
        disk.crash(unsynced);
        judge_what_is_left(disk, promised, "step " + std::to_string(n) + ": ");
        if (HasFatalFailure()) return;
        // The day can be lived again on what is left.
        SimulatedTree tree(disk);
        auto store = DirectoryStore::open(disk, tree);
        Promised again;
        auto lived = live(**store, again);
        // Bytes of an upload that were torn are found by its digest and sent again.
        if (!lived && lived.error().code == Code::invalid) lived = live(**store, again);
        ASSERT_TRUE(lived) << n << ": " << to_text(lived.error());
      }
    }
  }
  EXPECT_GT(stopped, 6 * steps);  // faults were really met
}

TEST(StoreTorture, AFullDiskIsSaidAndNothingHalfMadeHasAName) {
  for (std::uint64_t room = 0; room < 9'000; room += 250) {
    SimulatedDisk disk(room);
    disk.set_capacity(room);
    Promised promised;
    {
      SimulatedTree tree(disk);
      auto store = DirectoryStore::open(disk, tree);
      ASSERT_TRUE(store);
      const auto lived = live(**store, promised);
      if (!lived) {
        EXPECT_EQ(lived.error().code, Code::exhausted) << to_text(lived.error());
      }
    }
    judge_what_is_left(disk, promised, "room for " + std::to_string(room) + ": ");
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace bessemer::artifact

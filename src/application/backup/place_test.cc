// A backup inside what it is of, and a state directory inside another, are seen through links.
#include "application/backup/place.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "application/backup/restore.h"

namespace bessemer::backup {
namespace {

namespace fs = std::filesystem;

struct Place : ::testing::Test {
  Place() {
    fs::create_directories(root / "home/journal");
    fs::create_directories(root / "home/secrets");
    fs::create_directories(root / "home/artifacts/deep");
    fs::create_directories(root / "beside/journal");
    fs::create_directory_symlink(root / "home", root / "link");
    fs::create_directory_symlink(root / "home/artifacts", root / "beside/in");
    fs::create_directory_symlink(root / "beside", root / "home/out");
  }
  ~Place() override { fs::remove_all(root); }
  std::string at(const std::string& name) const { return (root / name).string(); }
  fs::path root = fs::path(::testing::TempDir()) / ("place-" + std::to_string(::getpid()));
};

TEST_F(Place, InsideWhateverTheWay) {
  const std::string home = at("home");
  for (const char* const name :
       {"home", "home/b.tar", "home/new/deeper", "home/artifacts/deep/b", "link", "link/b.tar",
        "beside/in/b.tar", "beside/../home/b.tar", "link/none/../b"}) {
    EXPECT_TRUE(lies_inside(at(name), home)) << name;
    EXPECT_TRUE(lies_inside(at(name), at("link"))) << name;
  }
  for (const char* const name :
       {"b.tar", "homes", "home.tar", "beside/b.tar", "home/out/b.tar", "home/../b.tar"}) {
    EXPECT_FALSE(lies_inside(at(name), home)) << name;
  }
}

TEST_F(Place, AFactoryAbove) {
  const std::string home = fs::canonical(root / "home").string();
  for (const char* const name : {"home/sub", "home/artifacts/deep/x", "link/sub", "beside/in/x"}) {
    EXPECT_EQ(factory_above(at(name)), home) << name;
  }
  for (const char* const name : {"home", "link", "sub", "beside/x", "home/out/x"}) {
    EXPECT_EQ(factory_above(at(name)), "") << name;
  }
}

Options backup_at(const std::string& home, const std::string& place) {
  Options options;
  options.home = home;
  options.place = place;
  options.now = Instant{1'800'000'000'000'000'000};
  return options;
}

TEST_F(Place, ABackupIsNotMadeInsideWhatItIsOf) {
  for (const char* const name : {"home/b.tar", "link/b", "beside/in/b.tar", "home"}) {
    const auto made = make_backup(backup_at(at("home"), at(name)));
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code, Code::invalid);
    EXPECT_NE(made.error().what.find("inside the state directory"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(at("home/b.tar")));
  EXPECT_FALSE(fs::exists(at("home/artifacts/b.tar")));
}

TEST_F(Place, NothingIsRestoredInsideAFactory) {
  Restoring options;
  options.place = at("b.tar");
  options.now = Instant{1'800'000'000'000'000'000};
  for (const char* const name : {"home/sub", "link/sub", "beside/in/sub", "home/artifacts/deep"}) {
    options.home = at(name);
    const auto restored = restore(options);
    ASSERT_FALSE(restored) << name;
    EXPECT_EQ(restored.error().code, Code::conflict);
    EXPECT_NE(restored.error().what.find("inside the factory"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(at("home/sub")));
}

// The floor counts seconds since 2026: before that it would fence nothing.
TEST_F(Place, NothingIsRestoredBeforeTheFirstFactory) {
  Restoring options;
  options.place = at("b.tar");
  options.home = at("new");
  for (const std::int64_t seconds : {0LL, 1'767'225'599LL, 1'767'225'600LL}) {
    options.now = Instant{seconds * 1'000'000'000};
    const auto restored = restore(options);
    ASSERT_FALSE(restored);
    EXPECT_NE(restored.error().what.find("clock"), std::string::npos) << restored.error().what;
  }
  options.now = Instant{1'767'225'601LL * 1'000'000'000};
  EXPECT_EQ(restore(options).error().code, Code::not_found) << "there is no backup";
}

}  // namespace
}  // namespace bessemer::backup

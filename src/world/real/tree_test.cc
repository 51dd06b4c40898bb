// The real tree follows nothing out of its root and opens nothing but files.
#include "world/real/tree.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace bessemer::real {
namespace {

namespace fs = std::filesystem;

class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/bessemer-tree-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    top_ = pattern;
    fs::create_directories(top_ + "/root/inner/deep");
    fs::create_directories(top_ + "/outside");
    write("outside/secret", "do not read");
    write("root/plain", "hello");
    write("root/inner/deep/leaf", "leaf");
    auto opened = RealTree::open_root(top_ + "/root");
    ASSERT_TRUE(opened) << to_text(opened.error());
    tree_ = std::move(*opened);
  }
  void TearDown() override { fs::remove_all(top_); }
  void write(const std::string& path, const std::string& bytes) {
    std::ofstream(top_ + "/" + path) << bytes;
  }
  std::string read(const std::string& path) {
    world::EntryStatus about;
    auto file = tree_->open(path, about);
    if (!file) return "refused: " + file.error().what;
    std::array<char, 64> into{};
    return std::string(into.data(), *(*file)->read_at(0, into));
  }
  std::string top_;
  std::unique_ptr<RealTree> tree_;
};

TEST_F(TreeTest, SaysWhatAnEntryIs) {
  fs::create_symlink("plain", top_ + "/root/link");
  ASSERT_EQ(::mkfifo((top_ + "/root/pipe").c_str(), 0600), 0);
  fs::permissions(top_ + "/root/plain", fs::perms::owner_exec, fs::perm_options::add);
  using enum world::EntryKind;
  EXPECT_EQ(tree_->status("plain")->kind, file);
  EXPECT_TRUE(tree_->status("plain")->executable);
  EXPECT_EQ(tree_->status("plain")->bytes, 5u);
  EXPECT_EQ(tree_->status("inner")->kind, directory);
  EXPECT_EQ(tree_->status("link")->kind, link);
  EXPECT_EQ(tree_->status("pipe")->kind, other);
  EXPECT_EQ(tree_->status("none").error().code, Code::not_found);
  EXPECT_EQ(tree_->status("../outside/secret").error().code, Code::invalid);
}

TEST_F(TreeTest, FollowsALinkToAFileBelowTheRoot) {
  fs::create_symlink("plain", top_ + "/root/one");
  fs::create_symlink("../../one", top_ + "/root/inner/deep/two");
  fs::create_symlink("./deep/../deep/leaf", top_ + "/root/inner/three");
  EXPECT_EQ(read("one"), "hello");
  EXPECT_EQ(read("inner/deep/two"), "hello");
  EXPECT_EQ(read("inner/three"), "leaf");
}

TEST_F(TreeTest, FollowsNothingElse) {
  struct Case { const char* target; const char* says; };
  const Case cases[] = {
      {"../outside/secret", "leaves its directory tree"},
      {"inner/../../outside/secret", "leaves its directory tree"},
      {"/etc/passwd", "leaves its directory tree"},
      {"inner", "symbolic link to a directory"},
      {".", "symbolic link to a directory"},
      {"none", "No such file"},
      {"self", "more than 8 symbolic links"},
  };
  for (const Case& one : cases) {
    fs::remove(top_ + "/root/self");
    fs::create_symlink(one.target, top_ + "/root/self");
    EXPECT_NE(read("self").find(one.says), std::string::npos) << one.target << ": " << read("self");
  }
}

TEST_F(TreeTest, NoDirectoryOnTheWayIsALink) {
  fs::create_directory_symlink("../outside", top_ + "/root/door");
  fs::create_directory_symlink("inner", top_ + "/root/alias");
  EXPECT_NE(read("door/secret").find("passes through a symbolic link"), std::string::npos);
  EXPECT_NE(read("alias/deep/leaf").find("passes through a symbolic link"), std::string::npos);
  EXPECT_EQ(tree_->list("door", 10).error().code, Code::invalid);
  EXPECT_EQ(tree_->link("plain", "door/planted").error().code, Code::invalid);
  EXPECT_FALSE(fs::exists(top_ + "/outside/planted"));
}

TEST_F(TreeTest, OpensNeitherPipesNorDirectoriesNorDevices) {
  ASSERT_EQ(::mkfifo((top_ + "/root/pipe").c_str(), 0600), 0);
  EXPECT_NE(read("pipe").find("not a regular file"), std::string::npos);
  EXPECT_NE(read("inner").find("not a regular file"), std::string::npos);
  fs::create_symlink("pipe", top_ + "/root/to_pipe");
  EXPECT_NE(read("to_pipe").find("not a regular file"), std::string::npos);
}

TEST_F(TreeTest, ListsAtMostSoMany) {
  EXPECT_EQ(*tree_->list("", 2), (std::vector<std::string>{"inner", "plain"}));
  EXPECT_EQ(tree_->list("", 1).error().code, Code::exhausted);
  EXPECT_EQ(tree_->list("plain", 1).error().code, Code::invalid);
}

TEST_F(TreeTest, GivesSecondNamesAndModes) {
  ASSERT_TRUE(tree_->link("plain", "inner/again"));
  EXPECT_EQ(read("inner/again"), "hello");
  EXPECT_EQ(tree_->link("plain", "inner/again").error().code, Code::conflict);
  ASSERT_TRUE(tree_->set_mode("plain", 0444));
  struct stat about{};
  ASSERT_EQ(::stat((top_ + "/root/inner/again").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777u, 0444u);
  fs::create_symlink("../outside/secret", top_ + "/root/out");
  EXPECT_FALSE(tree_->set_mode("out", 0777));
}

}  // namespace
}  // namespace bessemer::real

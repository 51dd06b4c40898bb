// Backups as folder and tar: what goes in comes out; what is cut off or altered is refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "application/backup/archive.h"
#include "application/backup/contents.h"

namespace bessemer::backup {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;

struct Archive : ::testing::Test {
  Archive() { fs::create_directories(root); }
  ~Archive() override { fs::remove_all(root); }

  std::string at(const std::string& name) const { return (root / name).string(); }
  fs::path root = fs::path(::testing::TempDir()) / ("archive-" + std::to_string(::getpid()));
};

Files some_files() {
  Files files;
  files["config.yaml"] = "listen: 127.0.0.1:1\n";
  files["journal/00000000000000000001.seg"] = std::string(3000, 'j');
  files["empty"] = "";
  files["exact"] = std::string(1024, 'e');
  files["a/" + std::string(120, 'b') + "/" + std::string(90, 'c')] = "by prefix";
  files[std::string(150, 'd')] = "by pax";
  files["deep/" + std::string(200, 'x') + "/" + std::string(120, 'y')] = "by pax too";
  return files;
}

Result<void> write_all(const std::string& place, const Files& files) {
  TRY_ASSIGN(const auto sink, create(place));
  Contents contents;
  contents.at.sequence = 9;
  for (const auto& [path, bytes] : files) {
    contents.files[path] = {bytes.size(), sha256(bytes)};
    TRY(sink->begin(path, bytes.size()));
    for (std::size_t at = 0; at < bytes.size(); at += 700) {
      TRY(sink->add(std::string_view(bytes).substr(at, 700)));
    }
  }
  const std::string list = to_text(contents);
  TRY(sink->begin(std::string(contents_name), list.size()));
  TRY(sink->add(list));
  return sink->finish();
}

Result<Files> read_all(const std::string& place) {
  TRY_ASSIGN(const auto source, open(place));
  Files files;
  Item item;
  while (true) {
    TRY_ASSIGN(const bool more, source->next(item));
    if (!more) return files;
    std::string bytes;
    while (true) {
      TRY_ASSIGN(const std::string_view piece, source->take());
      if (piece.empty()) break;
      bytes += piece;
    }
    EXPECT_EQ(item.bytes, bytes.size()) << item.path;
    files[item.path] = std::move(bytes);
  }
}

TEST_F(Archive, GivesBackWhatItTook) {
  for (const std::string place : {"b.tar", "b"}) {
    ASSERT_TRUE(write_all(at(place), some_files()));
    auto back = read_all(at(place));
    ASSERT_TRUE(back) << to_text(back.error());
    const auto list = parse_contents(back->at("CONTENTS"));
    ASSERT_TRUE(list) << to_text(list.error());
    EXPECT_EQ(list->at.sequence, 9u);
    EXPECT_EQ(list->files.size(), some_files().size());
    back->erase("CONTENTS");
    EXPECT_EQ(*back, some_files()) << place;
    EXPECT_EQ(create(at(place)).error().code, Code::conflict);
  }
}

TEST_F(Archive, OneThatIsCutOffIsRefused) {
  ASSERT_TRUE(write_all(at("b.tar"), some_files()));
  const auto size = fs::file_size(at("b.tar"));
  for (std::uintmax_t kept : {size - 1024, size - 1500, size / 2, std::uintmax_t{513},
                              std::uintmax_t{512}, std::uintmax_t{100}, std::uintmax_t{0}}) {
    fs::resize_file(at("b.tar"), kept);
    EXPECT_EQ(read_all(at("b.tar")).error().reason, "backup_damaged") << kept;
  }
}

TEST_F(Archive, OneThatIsNoneIsRefused) {
  std::ofstream(at("text.tar")) << std::string(2000, 'x');
  EXPECT_EQ(read_all(at("text.tar")).error().reason, "backup_damaged");
  fs::create_directories(root / "folder");
  EXPECT_EQ(read_all(at("folder")).error().reason, "backup_damaged");
  EXPECT_EQ(read_all(at("nothing")).error().code, Code::not_found);
}

TEST_F(Archive, AFolderMissesWhatItsListNames) {
  ASSERT_TRUE(write_all(at("b"), some_files()));
  fs::remove(root / "b" / "empty");
  EXPECT_EQ(read_all(at("b")).error().what, "the backup is not whole: empty is missing");
}

TEST(Contents, EachAlteredByteIsSeen) {
  Contents contents;
  contents.at.sequence = 12;
  contents.files["a/b"] = {3, sha256("abc")};
  const std::string text = to_text(contents);
  ASSERT_EQ(*parse_contents(text), contents);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string altered = text;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(parse_contents(altered)) << i;
    EXPECT_FALSE(parse_contents(text.substr(0, i))) << i;
  }
  EXPECT_EQ(parse_contents("bessemer-backup 2\n").error().reason, "backup_newer");
}

}  // namespace
}  // namespace bessemer::backup

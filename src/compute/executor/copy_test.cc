// Files through a stream, and streams that would like to write elsewhere.
#include "compute/executor/copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "compute/executor/channel.h"

namespace bessemer::executor {
namespace {

namespace fs = std::filesystem;

struct Place {
  Place() {
    char pattern[] = "/tmp/bessemer-copy-XXXXXX";
    root = ::mkdtemp(pattern);
  }
  ~Place() { fs::remove_all(root); }
  std::string at(const std::string& name) const { return root + "/" + name; }
  std::string root;
};

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}
std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<Copied> transfer(const std::string& from, const std::string& to, const std::string& name,
                    Result<Copied>* packed = nullptr) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("making a pipe");
  Result<Copied> out = Copied{};
  std::thread packer([&] {
    out = pack_files(from, ends[1]);
    ::close(ends[1]);
  });
  auto in = unpack_files(ends[0], to, name);
  char rest[4096];
  while (::read(ends[0], rest, sizeof rest) > 0) {
  }
  packer.join();
  ::close(ends[0]);
  if (packed != nullptr) *packed = out;
  return in;
}

// A stream made by hand, byte for byte.
struct Forged {
  std::string bytes = "BMFILES1";
  Forged& entry(int kind, const std::string& path, const std::string& content = {}) {
    bytes += static_cast<char>(kind);
    bytes += std::string("\xa4\x01", 2);  // 0644
    bytes += static_cast<char>(path.size() & 0xff);
    bytes += static_cast<char>(path.size() >> 8);
    std::uint64_t size = content.size();
    for (int i = 0; i < 8; ++i, size >>= 8) bytes += static_cast<char>(size & 0xff);
    bytes += path + content;
    return *this;
  }
  Result<Copied> unpack(const std::string& to) const {
    Fd file(::memfd_create("forged", MFD_CLOEXEC));
    (void)!::write(file.get(), bytes.data(), bytes.size());
    ::lseek(file.get(), 0, SEEK_SET);
    return unpack_files(file.get(), to, "it");
  }
};
constexpr int end = 0, directory = 1, file = 2;

TEST(Copy, AFileAndATreeArriveWhole) {
  Place place;
  fs::create_directories(place.at("from/a/b"));
  fs::create_directory(place.at("from/empty"));
  const std::string large(300'000, 'z');
  write(place.at("from/one"), "1");
  write(place.at("from/a/b/large"), large);
  ::chmod(place.at("from/one").c_str(), 0755);
  fs::create_symlink("/etc/passwd", place.at("from/link"));
  fs::create_symlink("/etc", place.at("from/a/directory-link"));
  ::mkfifo(place.at("from/fifo").c_str(), 0600);

  Result<Copied> packed = Copied{};
  const auto done = transfer(place.at("from"), place.at("to"), "from", &packed);
  ASSERT_TRUE(done.has_value()) << to_text(done.error());
  EXPECT_EQ(done->files, 2u);
  EXPECT_EQ(done->bytes, large.size() + 1);
  EXPECT_EQ(packed->left_out, 3u) << "two links and a fifo";
  EXPECT_EQ(read(place.at("to/a/b/large")), large);
  EXPECT_TRUE(fs::is_directory(place.at("to/empty")));
  struct stat about {};
  ::stat(place.at("to/one").c_str(), &about);
  EXPECT_EQ(about.st_mode & 0777, 0755u);
  EXPECT_FALSE(fs::exists(fs::symlink_status(place.at("to/link"))));

  // Once more: the directory is there now, so the copy comes into it.
  ASSERT_TRUE(transfer(place.at("from"), place.at("to"), "again").has_value());
  EXPECT_EQ(read(place.at("to/again/one")), "1");
  // A single file replaces another.
  write(place.at("two"), "2");
  ASSERT_TRUE(transfer(place.at("two"), place.at("to/one"), "two").has_value());
  EXPECT_EQ(read(place.at("to/one")), "2");
}

TEST(Copy, SaysWhatIsNotThere) {
  Place place;
  Result<Copied> packed = Copied{};
  const auto done = transfer(place.at("nothing"), place.at("to"), "it", &packed);
  EXPECT_FALSE(done.has_value());
  EXPECT_EQ(packed.error().code, Code::not_found);
  write(place.at("file"), "x");
  EXPECT_EQ(transfer(place.at("file"), place.at("no/such/place"), "it").error().code,
            Code::not_found);
}

TEST(Copy, NothingLeavesItsPlace) {
  struct Case {
    const char* what;
    Forged stream;
  };
  const std::vector<Case> cases = {
      {"not a stream", Forged{.bytes = "tar, perhaps"}},
      {"cut short", Forged().entry(directory, "")},
      {"no beginning", Forged().entry(end, "")},
      {"a top with a path", Forged().entry(file, "x", "y").entry(end, "")},
      {"dots", Forged().entry(directory, "").entry(file, "../out", "y").entry(end, "")},
      {"dots inside", Forged().entry(directory, "").entry(file, "a/../../out", "y")},
      {"absolute", Forged().entry(directory, "").entry(file, "/tmp/out", "y")},
      {"the top again", Forged().entry(directory, "").entry(file, "", "y")},
      {"more than a file", Forged().entry(file, "", "y").entry(file, "z", "y")},
      {"an unknown kind", Forged().entry(directory, "").entry(3, "link")},
      {"a directory with bytes", Forged().entry(directory, "", "y")},
      {"a file as a directory",
       Forged().entry(directory, "").entry(file, "a", "1").entry(file, "a/b", "2")},
      {"NUL", Forged().entry(directory, "").entry(file, std::string("a\0b", 3), "y")},
  };
  for (const auto& one : cases) {
    Place place;
    fs::create_directory(place.at("to"));
    EXPECT_FALSE(one.stream.unpack(place.at("to/new")).has_value()) << one.what;
    EXPECT_FALSE(fs::exists(place.at("out"))) << one.what;
    EXPECT_FALSE(fs::exists(place.at("to/out"))) << one.what;
  }
}

TEST(Copy, LinksAtTheDestinationAreNeverWrittenThrough) {
  Place place;
  fs::create_directory(place.at("to"));
  fs::create_directory(place.at("outside"));
  write(place.at("outside/file"), "untouched");
  fs::create_directory(place.at("to/new"));
  fs::create_symlink(place.at("outside"), place.at("to/new/it"));
  // Into a directory that is a link: refused.
  EXPECT_FALSE(Forged()
                   .entry(directory, "")
                   .entry(file, "file", "changed")
                   .entry(end, "")
                   .unpack(place.at("to/new"))
                   .has_value());
  fs::remove(place.at("to/new/it"));
  fs::create_directory(place.at("to/new/it"));
  fs::create_symlink(place.at("outside"), place.at("to/new/it/sub"));
  EXPECT_FALSE(Forged()
                   .entry(directory, "")
                   .entry(file, "sub/file", "changed")
                   .unpack(place.at("to/new"))
                   .has_value());
  // Over a link to a file: the link is replaced.
  fs::create_symlink(place.at("outside/file"), place.at("to/new/it/file"));
  EXPECT_TRUE(Forged()
                  .entry(directory, "")
                  .entry(file, "file", "changed")
                  .entry(end, "")
                  .unpack(place.at("to/new"))
                  .has_value());
  EXPECT_EQ(read(place.at("outside/file")), "untouched");
  EXPECT_EQ(read(place.at("to/new/it/file")), "changed");
  // Over a device or the like: it stays, whoever asks.
  ASSERT_EQ(::mkfifo(place.at("to/new/it/pipe").c_str(), 0600), 0);
  EXPECT_FALSE(Forged()
                   .entry(directory, "")
                   .entry(file, "pipe", "changed")
                   .entry(end, "")
                   .unpack(place.at("to/new"))
                   .has_value());
  EXPECT_TRUE(fs::is_fifo(place.at("to/new/it/pipe")));
}

}  // namespace
}  // namespace bessemer::executor

// Trees of files: what is read, what is left out, what travels.
#include <gtest/gtest.h>

#include "application/cli/fakes.h"
#include "application/cli/transfer.h"

namespace bessemer::cli {
namespace {

TEST(Trees, ReadWithoutWhatIsIgnored) {
  Folder folder;
  folder.write("train.py", "print(1)", 0755);
  folder.write("data/a.csv", "1,2");
  folder.write(".git/config", "x");
  folder.write("lib/__pycache__/m.pyc", "x");
  folder.write("out/model.bin", "x");
  folder.write("notes.tmp", "x");
  folder.write(".bessemerignore", "# mine\nout/\n*.tmp\n");
  const auto manifest = read_tree(folder.path()).value();
  std::vector<std::string> paths;
  for (const auto& entry : manifest.entries) paths.push_back(entry.path);
  EXPECT_EQ(paths, (std::vector<std::string>{".bessemerignore", "data/a.csv", "train.py"}));
  EXPECT_TRUE(manifest.entries[2].executable);
  EXPECT_EQ(manifest.entries[1].digest, sha256("1,2"));

  fs::create_symlink("/etc/passwd", folder.path() + "/leak");
  EXPECT_EQ(read_tree(folder.path()).error().what, "leak is a link that leads out of the folder");
  fs::remove(folder.path() + "/leak");
  fs::create_symlink("train.py", folder.path() + "/same.py");
  EXPECT_EQ(read_tree(folder.path())->entries.size(), 4u) << "a link inside is its target";
  EXPECT_EQ(read_tree(folder.path() + "/nothing").error().code, Code::not_found);
}

TEST(Trees, Patterns) {
  const struct {
    const char* pattern;
    const char* path;
    bool folder, ignored;
  } table[] = {
      {"*.tmp", "a/b.tmp", false, true},  {"*.tmp", "b.tmpx", false, false},
      {"out/", "out", true, true},        {"out/", "out", false, false},
      {"/out", "out", true, true},        {"a/*.c", "a/x.c", false, true},
      {"a/*.c", "a/b/x.c", false, false}, {"x*y*z", "xaybz", false, true},
  };
  for (const auto& row : table) {
    EXPECT_EQ(is_ignored({row.pattern}, row.path, row.folder), row.ignored)
        << row.pattern << " " << row.path;
  }
}

TEST(Trees, OnlyWhatIsMissingTravels) {
  Folder folder;
  folder.write("a", "alpha");
  folder.write("b", "beta");
  const std::string beta = to_text(sha256("beta"));
  const std::string upload = "upl_00000000000000000000000001";
  ScriptedServer server({
      {"POST /api/v1/trees?project=acme",
       {{200, R"({"missing":[")" + beta + R"("]})"}, {200, R"({"missing":[]})"}}},
      {"POST /api/v1/uploads", {{201, R"({"id":")" + upload + R"(","arrived":2})"}}},
      {"PATCH /api/v1/uploads/" + upload + "?offset=2", {{200, R"({"arrived":4})"}}},
      {"POST /api/v1/uploads/" + upload + "/commit", {{200, "{}"}}},
  });
  FakeTerminal terminal;
  ASSERT_EQ(run_words("artifact push " + folder.path() + " -p acme", terminal, server.around()), 0)
      << terminal.said;
  EXPECT_EQ(server.seen[1].idempotency, "upload-" + beta) << "a second try finds the first";
  EXPECT_EQ(server.seen[2].body, "ta") << "goes on where it was broken off";
  EXPECT_EQ(terminal.shown, to_text(artifact::digest_of(read_tree(folder.path()).value())) + "\n");
  EXPECT_EQ(terminal.said, "2 files, 9 bytes, 4 sent\n");
}

}  // namespace
}  // namespace bessemer::cli

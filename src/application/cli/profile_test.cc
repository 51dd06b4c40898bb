// Where to ask, and with which key.
#include <gtest/gtest.h>

#include "application/cli/fakes.h"
#include "application/cli/profile.h"

namespace bessemer::cli {
namespace {

TEST(Profiles, InTheirOrder) {
  Folder folder;
  Surroundings around;
  around.working_directory = folder.path();
  around.variables["HOME"] = folder.path();
  Arguments none, lab;
  lab.options["context"] = {"lab"};
  EXPECT_EQ(find_profile(none, around).error().code, Code::unavailable);
  EXPECT_EQ(find_profile(lab, around).error().code, Code::not_found);

  folder.write("factory/run/api.sock", "");
  folder.write("factory/secrets/admin.key", "bsm_admin\n", 0600);
  EXPECT_EQ(find_profile(none, around)->name, "local factory");
  EXPECT_EQ(find_profile(none, around)->key.reveal(), "bsm_admin");

  folder.write(".config/bessemer/config.yaml",
               "current: home\ncontexts:\n  home: {url: \"http://127.0.0.1:7420/\", key: k1, "
               "project: acme/vision}\n  lab: {url: \"unix:/lab.sock\", key: k2}\n",
               0600);
  EXPECT_EQ(find_profile(none, around)->name, "context home");
  EXPECT_EQ(find_profile(none, around)->address.port, 7420);
  EXPECT_EQ(find_profile(none, around)->project, "acme/vision");

  around.variables["BESSEMER_URL"] = "127.0.0.1:9";
  EXPECT_EQ(find_profile(none, around).error().what, "BESSEMER_URL is set and BESSEMER_KEY is not");
  around.variables["BESSEMER_KEY"] = "k3";
  EXPECT_EQ(find_profile(none, around)->key.reveal(), "k3");
  EXPECT_EQ(find_profile(lab, around)->address.path, "/lab.sock") << "--context comes first";

  ::chmod((folder.path() + "/.config/bessemer/config.yaml").c_str(), 0644);
  EXPECT_EQ(find_profile(lab, around).error().code, Code::forbidden) << "others may read the keys";
}

TEST(Profiles, ContextsAreKept) {
  Folder folder;
  Surroundings around;
  around.working_directory = folder.path();
  around.variables["HOME"] = folder.path();
  FakeTerminal terminal;
  terminal.typed = "bsm_typed\n";
  ASSERT_EQ(run_words("context set lab --url http://127.0.0.1:1 --key-stdin -p acme", terminal,
                      around), 0) << terminal.said;
  ASSERT_EQ(run_words("context list", terminal, around), 0);
  EXPECT_NE(terminal.shown.find("*  lab   http://127.0.0.1:1  acme"), std::string::npos)
      << terminal.shown;
  EXPECT_EQ(terminal.shown.find("bsm_typed"), std::string::npos) << "keys are not shown";
  struct stat about {};
  ::stat((folder.path() + "/.config/bessemer/config.yaml").c_str(), &about);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_EQ(run_words("context use other", terminal, around), 1);
  EXPECT_EQ(run_words("context set far --url http://127.0.0.1:2", terminal, around), 1);
  EXPECT_NE(terminal.said.find("needs a key"), std::string::npos);
  EXPECT_EQ(run_words("context delete lab", terminal, around), 0);
}

// What the refusal of a command without a project says to do must work.
TEST(Profiles, AContextWithoutAUrlNamesAProjectOfTheFactoryHere) {
  Folder folder;
  Surroundings around;
  around.working_directory = folder.path();
  around.variables["HOME"] = folder.path();
  around.variables["BESSEMER_HOME"] = folder.path() + "/home";
  folder.write("home/run/api.sock", "");
  folder.write("home/secrets/admin.key", "k1\n", 0600);
  FakeTerminal terminal;
  ASSERT_EQ(run_words("context set mine -p acme/vision", terminal, around), 0) << terminal.said;
  const Arguments none;
  ASSERT_TRUE(find_profile(none, around));
  EXPECT_EQ(find_profile(none, around)->project, "acme/vision");
  EXPECT_EQ(find_profile(none, around)->address.path, folder.path() + "/home/run/api.sock");
  // A factory that is named outright is not shadowed by a context of another.
  terminal.typed = "k2\n";
  ASSERT_EQ(run_words("context set lab --url http://127.0.0.1:1 --key-stdin", terminal, around), 0);
  ASSERT_EQ(run_words("context use lab", terminal, around), 0);
  EXPECT_EQ(find_profile(none, around)->address.path, folder.path() + "/home/run/api.sock");
  around.variables.erase("BESSEMER_HOME");
  EXPECT_EQ(find_profile(none, around)->address.port, 1);
}

}  // namespace
}  // namespace bessemer::cli

// A daemon on a fresh directory, served by a thread of its own, and how its tests ask it.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include "application/daemon/daemon.h"
#include "application/server/client.h"
#include "base/text.h"

namespace bessemer::daemon {

class Running {
 public:
  explicit Running(const std::string& name) : home_(std::filesystem::temp_directory_path() / name) {
    std::filesystem::remove_all(home_);
    std::filesystem::create_directories(home_);
    write(home_ / "config.yaml", "listen: 127.0.0.1:0\ngateways: 0\nisolation: relaxed\n");
    std::atomic<bool> ready = false;
    thread_ = std::thread([&] {
      Options options;
      options.home = home_.string();
      const auto program = std::filesystem::read_symlink("/proc/self/exe");
      options.program_directory = program.parent_path().string();
      auto daemon = Daemon::start(std::move(options));
      if (!daemon) {
        ADD_FAILURE() << to_text(daemon.error());
        ready = true;
        return;
      }
      started_ = true;
      ready = true;
      ready.notify_all();
      (*daemon)->run();
    });
    ready.wait(false);
    if (started_) admin_ = read(home_ / "secrets/admin.key");
  }
  ~Running() {
    if (started_) (void)call("POST", "/api/v1/stop", admin_);
    thread_.join();
    std::filesystem::remove_all(home_);
  }

  bool started() const { return started_; }
  const std::string& admin() const { return admin_; }
  const std::filesystem::path& home() const { return home_; }

  server::ClientAnswer call(const std::string& method, const std::string& target,
                            const std::string& key, const std::string& body = {}) {
    real::Address address;
    address.path = (home_ / "run/api.sock").string();
    server::BlockingClient client(address, seconds(20));
    server::ClientRequest request;
    request.method = method;
    request.target = target;
    if (!key.empty()) request.fields.emplace_back("authorization", "Bearer " + key);
    request.body = body;
    auto answer = client.call(request);
    if (!answer) {
      ADD_FAILURE() << method << " " << target << ": " << to_text(answer.error());
      return {};
    }
    return *std::move(answer);
  }

  // The member of a made thing's JSON. Fails the test when the call is refused.
  std::string make(const std::string& method, const std::string& target, const std::string& key,
                   const std::string& body, const std::string& member = "id") {
    const auto answer = call(method, target, key, body);
    EXPECT_TRUE(answer.status == 200 || answer.status == 201)
        << method << " " << target << ": " << answer.body;
    return text_of(answer.body, member);
  }
  // The first text member of this name in JSON; empty: there is none.
  static std::string text_of(const std::string& body, const std::string& member) {
    const std::string quoted = "\"" + member + "\":\"";
    const std::size_t at = body.find(quoted);
    if (at == std::string::npos) return {};
    const std::size_t from = at + quoted.size();
    return body.substr(from, body.find('"', from) - from);
  }
  // The id of the experiment run of a fresh pipeline's only step, which is too large to start.
  std::string run_of_waiting_step(const std::string& project, const std::string& key) {
    const std::string definition =
        R"({"name":"p","steps":[{"name":"a","job":{"command":["/bin/true"],"tasks":4000}}]})";
    const std::string line =
        make("PUT", "/api/v1/pipelines", key,
             R"({"project":")" + project + R"(","definition":)" + definition + "}");
    make("POST", "/api/v1/pipelines/" + line + "/runs", key, "{}");
    std::string run;
    for (int i = 0; i < 1'000 && run.empty(); ++i) {  // the step becomes a job in a later turn
      run = text_of(call("GET", "/api/v1/runs?project=" + project, key).body, "id");
    }
    EXPECT_TRUE(run.starts_with("run_")) << run;
    return run;
  }
  // A new tenant with one project `<tenant>/lab`, and the key of somebody with this role in it.
  std::string tenant(const std::string& name, const std::string& role = "tenant_admin") {
    make("POST", "/api/v1/orgs", admin_, R"({"kind":"tenant","path":")" + name + "\"}");
    make("POST", "/api/v1/orgs", admin_, R"({"kind":"project","path":")" + name + "/lab\"}");
    const std::string org = R"({"org":")" + name + "\",";
    const std::string principal =
        make("POST", "/api/v1/service-accounts", admin_, org + R"("name":"robot"})");
    make("POST", "/api/v1/bindings", admin_,
         org + R"("principal":")" + principal + R"(","role":")" + role + "\"}", "principal");
    return make("POST", "/api/v1/keys", admin_,
                org + R"("name":"k","owner":")" + principal + "\"}", "secret");
  }

 private:
  static void write(const std::filesystem::path& path, std::string_view text) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
  }
  static std::string read(const std::filesystem::path& path) {
    std::FILE* const file = std::fopen(path.c_str(), "r");
    char text[256] = {};
    const std::size_t got = std::fread(text, 1, sizeof text, file);
    std::fclose(file);
    return std::string(trim(std::string_view(text, got)));
  }

  std::filesystem::path home_;
  std::string admin_;
  bool started_ = false;
  std::thread thread_;
};

}  // namespace bessemer::daemon

// What tests of the command line stand on: a terminal, a folder and a server that remember.
#pragma once
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "application/cli/cli.h"
#include "application/http/parse.h"
#include "base/text.h"
#include "world/real/socket.h"

namespace bessemer::cli {

namespace fs = std::filesystem;

class FakeTerminal final : public Terminal {
 public:
  std::string shown, said, typed;
  int pauses_left = 3;
  void out(std::string_view text) override { shown += text; }
  void err(std::string_view text) override { said += text; }
  bool is_interactive() const override { return false; }
  std::size_t columns() const override { return 0; }
  Result<std::string> input(std::size_t limit) override {
    if (typed.size() > limit) return invalid("the standard input is too large");
    return typed;
  }
  bool pause(Duration) override { return pauses_left-- > 0; }
  Instant now() const override { return Instant{1'800'000'000'000'000'000}; }
  std::string fresh_key() override { return "key-" + std::to_string(++keys_); }

 private:
  int keys_ = 0;
};

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "bessemer-cli-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text, int mode = 0644) const {
    const std::string path = path_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
    ::chmod(path.c_str(), static_cast<mode_t>(mode));
    return path;
  }

 private:
  std::string path_;
};

// Answers requests over a unix socket from a script: what is asked is kept, what is answered given.
class ScriptedServer {
 public:
  struct Seen {
    std::string method, target, body, key, idempotency;
  };
  using Answer = std::pair<int, std::string>;

  explicit ScriptedServer(std::map<std::string, std::vector<Answer>> answers)
      : answers_(std::move(answers)) {
    real::Address address;
    address.path = folder_.path() + "/api.sock";
    listener_ = real::listen_on(address).value();
    real::set_blocking(listener_, real::Blocking::yes);
    thread_ = std::jthread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_.get(), 2);
    thread_.join();
  }
  Surroundings around() const {
    Surroundings around;
    around.variables = {{"BESSEMER_URL", "unix:" + folder_.path() + "/api.sock"},
                        {"BESSEMER_KEY", "bsm_secret"},
                        {"HOME", folder_.path()}};
    around.working_directory = folder_.path();
    return around;
  }
  std::vector<Seen> seen;

 private:
  void serve() {
    while (true) {
      const int socket = ::accept(listener_.get(), nullptr, nullptr);
      if (socket < 0) return;
      std::string buffer;
      while (one(socket, buffer)) {
      }
      ::close(socket);
    }
  }
  bool one(int socket, std::string& buffer) {
    http::RequestHead head;
    char piece[4096];
    while (true) {
      const auto parsed = http::parse_request(buffer, head);
      const bool whole = parsed.state == http::Parsed::complete &&
                         buffer.size() >= head.bytes + head.content_length;
      if (whole) break;
      const ssize_t got = ::read(socket, piece, sizeof piece);
      if (got <= 0) return false;
      buffer.append(piece, static_cast<std::size_t>(got));
    }
    const auto field = [&](std::string_view name) {
      return std::string(head.fields.find(name).value_or(""));
    };
    Seen request{std::string(head.method_text), std::string(head.target),
                 buffer.substr(head.bytes, head.content_length), field("authorization"),
                 field("idempotency-key")};
    buffer.erase(0, head.bytes + head.content_length);
    Answer answer{404, R"({"detail":"no such path in the script"})"};
    auto& left = answers_[request.method + " " + request.target];
    if (!left.empty()) {
      answer = left.front();
      if (left.size() > 1) left.erase(left.begin());
    }
    seen.push_back(std::move(request));
    const std::string text = "HTTP/1.1 " + std::to_string(answer.first) +
                             " x\r\ncontent-type: application/json\r\nbessemer-seq: 7\r\n"
                             "content-length: " + std::to_string(answer.second.size()) +
                             "\r\n\r\n" + answer.second;
    return ::write(socket, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

  Folder folder_;
  std::map<std::string, std::vector<Answer>> answers_;
  real::Descriptor listener_;
  std::jthread thread_;
};

inline int run_words(std::string_view line, FakeTerminal& terminal, const Surroundings& around) {
  std::vector<std::string> words;
  for (const auto word : split(line, ' ')) words.emplace_back(word);
  return run(words, terminal, around);
}

}  // namespace bessemer::cli

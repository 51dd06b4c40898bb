// The API by HTTP: keys, idempotency, pages, refusals.
#include "application/cli/remote.h"

#include "application/http/frame.h"
#include "application/http/problem.h"
#include "application/http/uri.h"
#include "base/text.h"

namespace bessemer::cli {
namespace {

constexpr int max_pages = 2'000;

Retry retry_of(std::string_view word) {
  if (word == "now") return Retry::now;
  return word == "later" ? Retry::later : Retry::never;
}

}  // namespace

std::string query_text(const Query& query) {
  std::string out;
  for (const auto& [name, value] : query) {
    if (value.empty()) continue;
    out += out.empty() ? '?' : '&';
    out += name + "=";
    http::append_encoded(out, value);
  }
  return out;
}

std::string path_of(std::string_view pattern, const std::vector<std::string>& parts) {
  std::string out;
  std::size_t next = 0;
  while (true) {
    const std::size_t gap = pattern.find("{}");
    out += pattern.substr(0, gap);
    if (gap == std::string_view::npos || next == parts.size()) return out;
    http::append_encoded(out, parts[next++]);
    pattern.remove_prefix(gap + 2);
  }
}

Remote::Remote(const Profile& profile, Terminal& terminal)
    : profile_(profile), terminal_(terminal), client_(profile.address) {}

server::ClientRequest Remote::request(std::string_view method, std::string_view target) const {
  server::ClientRequest request;
  request.method = method;
  request.target = target;
  request.fields.emplace_back("authorization", "Bearer " + std::string(profile_.key.reveal()));
  if (!seen_.empty()) request.fields.emplace_back("bessemer-seq", seen_);
  return request;
}

Error Remote::refusal(const server::ClientAnswer& answer) {
  Error error;
  error.code = http::code_of(answer.status);
  const auto problem = parse_document(answer.body);
  if (!problem || !problem->is(Document::Kind::object)) {
    error.what = "the server answered " + std::to_string(answer.status);
    return error;
  }
  error.what = problem->text("detail");
  if (error.what.empty()) error.what = problem->text("title");
  error.field = problem->text("field");
  error.remedy = problem->text("remedy");
  error.reason = problem->text("reason");
  error.retry = retry_of(problem->text("retry"));
  return error;
}

Result<Document> Remote::read(Result<server::ClientAnswer> answer) {
  if (!answer) return std::move(answer).error().during("asking " + to_text(profile_.address));
  if (answer->status >= 400) return refusal(*answer);
  if (const std::string* sequence = answer->find("bessemer-seq")) seen_ = *sequence;
  if (answer->body.empty()) return Document{};
  auto document = parse_document(answer->body);
  if (!document) return std::move(document).error().during("reading the answer");
  return document;
}

Result<Document> Remote::call(std::string_view method, std::string_view target,
                              std::string_view body, std::string_view idempotency_key) {
  server::ClientRequest wanted = request(method, target);
  if (!body.empty()) wanted.fields.emplace_back("content-type", "application/json");
  const bool writes = method != "GET";
  if (writes) {
    wanted.fields.emplace_back("idempotency-key", idempotency_key.empty()
                                                      ? terminal_.fresh_key()
                                                      : std::string(idempotency_key));
  }
  wanted.body = body;
  auto answer = client_.call(wanted);
  // The key makes a second try safe: the server answers with what the first one did.
  if (writes && !answer && answer.error().code == Code::unavailable) answer = client_.call(wanted);
  return read(std::move(answer));
}

Result<server::BlockingClient::Released> Remote::upgrade(std::string_view target,
                                                         std::string_view body) {
  server::ClientRequest wanted = request("POST", target);
  wanted.fields.emplace_back("content-type", "application/json");
  wanted.fields.emplace_back("connection", "upgrade");
  wanted.fields.emplace_back("upgrade", http::task_protocol);
  wanted.body = body;
  auto answer = client_.call(wanted);
  if (!answer) return std::move(answer).error().during("asking " + to_text(profile_.address));
  if (answer->status >= 400) return refusal(*answer);
  if (answer->status != 101) return invalid("the server does not go on as a stream");
  return client_.release();
}

Result<Document> Remote::send_bytes(std::string_view method, std::string_view target,
                                    std::string_view bytes) {
  server::ClientRequest wanted = request(method, target);
  wanted.fields.emplace_back("content-type", "application/octet-stream");
  wanted.body = bytes;
  return read(client_.call(wanted));
}

Result<Document> Remote::all(const std::string& path, Query query) {
  Document joined = Document::object();
  joined.set("items", Document::list());
  auto& items = joined.members.front().second.members;
  query.emplace_back("limit", "500");
  query.emplace_back("after", "");
  for (int page = 0; page < max_pages; ++page) {
    TRY_ASSIGN(Document answer, get(path + query_text(query)));
    if (!answer.is(Document::Kind::object) || answer.members.empty()) return answer;
    const std::string next = answer.text("next");
    for (auto& [name, member] : answer.members) {
      if (name != "items") continue;
      std::move(member.members.begin(), member.members.end(), std::back_inserter(items));
    }
    if (next.empty()) return joined;
    query.back().second = next;
  }
  return exhausted("the list is longer than " + std::to_string(max_pages) + " pages");
}

Result<void> Remote::stream(std::string_view target, server::AnswerSink& sink,
                            Duration patience) {
  // Refusals are collected; only a good answer's body goes to the sink.
  struct Gate final : server::AnswerSink {
    explicit Gate(server::AnswerSink& inner) : inner_(inner) {}
    bool on_head(const server::ClientAnswer& head) override {
      return head.status < 400 && inner_.on_head(head);
    }
    Result<void> on_piece(std::string_view piece) override { return inner_.on_piece(piece); }
    server::AnswerSink& inner_;
  } gate(sink);
  client_.set_patience(patience);
  auto answer = client_.call(request("GET", target), gate);
  client_.set_patience(seconds(60));
  if (!answer) return std::move(answer).error().during("asking " + to_text(profile_.address));
  if (answer->status >= 400) return refusal(*answer);
  return {};
}

}  // namespace bessemer::cli

// Calls of the API: one request, one document or one refusal.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "application/cli/document.h"
#include "application/cli/profile.h"
#include "application/cli/terminal.h"
#include "application/server/client.h"
#include "base/result.h"

namespace bessemer::cli {

// "?a=1&b=x%20y" from pairs; pairs with an empty value are left out.
using Query = std::vector<std::pair<std::string, std::string>>;
std::string query_text(const Query& query);
// "/api/v1/jobs/{}/logs" with each {} replaced by an encoded part.
std::string path_of(std::string_view pattern, const std::vector<std::string>& parts);

class Remote {
 public:
  Remote(const Profile& profile, Terminal& terminal);

  // Errors: what the API refused, as its problem says; unavailable when nobody answers. Writes
  // carry an Idempotency-Key, a fresh one unless given, and are sent again once when the
  // connection breaks.
  Result<Document> call(std::string_view method, std::string_view target,
                        std::string_view body = {}, std::string_view idempotency_key = {});
  Result<Document> get(std::string_view target) { return call("GET", target); }
  // Every item of a list, page after page; `items` joined into one list.
  Result<Document> all(const std::string& path, Query query);
  // Streams an answer's bytes; zero patience waits for ever.
  Result<void> stream(std::string_view target, server::AnswerSink& sink, Duration patience);
  // Sends bytes as they are.
  Result<Document> send_bytes(std::string_view method, std::string_view target,
                              std::string_view bytes);
  // Asks for a session inside a task and hands over its connection, which speaks http/frame.h.
  Result<server::BlockingClient::Released> upgrade(std::string_view target, std::string_view body);
  server::BlockingClient& client() { return client_; }
  // A request with the key and what else every call carries.
  server::ClientRequest request(std::string_view method, std::string_view target) const;
  // The error that an answer above 399 tells.
  static Error refusal(const server::ClientAnswer& answer);

 private:
  Result<Document> read(Result<server::ClientAnswer> answer);

  const Profile& profile_;
  Terminal& terminal_;
  server::BlockingClient client_;
  std::string seen_;  // the journal sequence of our last write: reads wait for it
};

}  // namespace bessemer::cli

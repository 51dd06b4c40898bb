// The API as the server's handler: authenticate, route, permit, handle, wait for the disk, answer.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "application/api/route.h"
#include "application/api/services.h"
#include "application/server/server.h"
#include "governance/audit/refusal_counter.h"

namespace bessemer::api {

// Every route of the API, in order of pattern: the sum of the tables in routes_*.cc.
const Table& routes();

// Knows nobody without a key, over the unix socket too: there the admin key is at hand.
class Api final : public server::Handler {
 public:
  explicit Api(const Services& services);
  ~Api() override;

  server::BodyPlan on_head(const http::RequestHead& head, const server::Upload& upload) override;
  void on_request(server::Request& request, server::Responder responder) override;

  // Once a second: records gathered attempts and refusals.
  void tick();

 private:
  // Nothing: the route's stream handler answers by itself.
  Result<std::optional<Reply>> serve(const server::Request& request,
                                     const server::Responder& responder, const Route*& route,
                                     engine::Sequence& written);
  Result<access::Caller> authenticate(const server::Request& request);
  Result<Reply> run(Call& call);
  Result<std::optional<Reply>> repeated(Call& call);
  Result<Reply> made_again(const Call& call, const factory::Noted& before);
  void keep_answer(const Call& call, const std::string& body);
  void remember_refusal(const Call& call, const Error& error);
  void record(const audit::RecordAttempts& attempts);
  void record(const std::vector<audit::Told>& refusals);

  Services services_;
  audit::AttemptCounter attempts_;
  audit::RefusalCounter refusals_;
  std::vector<RouteCount> counts_;  // by route index
  std::unique_ptr<TaskSessions> sessions_;
};

// The OpenAPI 3.1 document of the routes.
std::string openapi_document();

}  // namespace bessemer::api

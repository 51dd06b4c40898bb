// The routes beside chat: the Open Inference Protocol, models, metrics.
#include <gtest/gtest.h>

#include "application/gateway/rig_for_test.h"

namespace bessemer::gateway {
namespace {

TEST(Routes, serves_the_open_inference_protocol) {
  Factory factory;
  auto client = factory.client();
  const auto call = [&](const std::string& method, const std::string& path) {
    return client.call({method, path, {{"authorization", "Bearer " + factory.key}},
                        method == "POST" ? R"({"inputs":[]})" : ""});
  };
  EXPECT_EQ(client.call({"GET", "/v2/health/live", {}, ""})->status, 200);
  EXPECT_EQ(client.call({"GET", "/v2/health/ready", {}, ""})->status, 200);
  const auto inferred = call("POST", "/v2/models/digits/infer");
  EXPECT_EQ(inferred->status, 503) << "no price by request yet";
  EXPECT_NE(inferred->body.find("no price"), std::string::npos) << inferred->body;
  factory.run([&] {
    auto& prices = factory.plane->configuration.prices.front().prices;  // by meter, then sku
    prices.insert(prices.end() - 1, {pricing::Meter::requests, "*", {5000, usd}, 1});
    factory.plane->publish();
  });
  factory.wait_configured();
  const auto answer = call("POST", "/v2/models/digits/infer");
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find("outputs"), std::string::npos);
  EXPECT_EQ(call("GET", "/v2/models/digits/ready")->status, 200);
  EXPECT_EQ(call("GET", "/v2/models/nothing")->status, 404);
  EXPECT_EQ(call("POST", "/v2/models/small/infer")->status, 404);
  EXPECT_EQ(call("GET", "/v2/models/digits/infer")->status, 405);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.requests, 1u);
  EXPECT_EQ(factory.plane->billed_money(), 5000);
}

TEST(Routes, lists_models_and_embeds_and_tells_metrics) {
  Factory factory;
  auto client = factory.client();
  const auto get = [&](const std::string& path) {
    return client.call({"GET", path, {{"authorization", "Bearer " + factory.key}}, ""});
  };
  const auto models = get("/v1/models");
  EXPECT_NE(models->body.find(R"("id":"champion")"), std::string::npos) << models->body;
  EXPECT_EQ(get("/v1/models/small")->status, 200);
  EXPECT_EQ(get("/v1/models/none")->status, 404);
  EXPECT_EQ(client.call({"GET", "/v1/models", {}, ""})->status, 401);
  EXPECT_EQ(get("/nothing")->status, 404);
  EXPECT_EQ(get("/v1/chat/completions")->status, 405);
  EXPECT_EQ(factory.post("/v1/embeddings", R"({"model":"small","input":"say 0"})")->status, 200);
  EXPECT_EQ(factory.post("/v1/completions", "{")->status, 400);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_NE(get("/metrics")->body.find("bessemer_gateway_settlements_total 1"), std::string::npos);
}

TEST(Routes, refuses_to_listen_in_the_open) {
  auto loop = real::Loop::open().value();
  const real::RealClock clock;
  real::RealEntropy entropy;
  auto disk = real::RealDisk::open_root(testing::TempDir() + "gateway_open").value();
  Options options;
  options.listen = {{.host = "0.0.0.0"}};
  Gateway gateway(*loop, clock, *disk, entropy, options, [](std::string) {});
  const auto started = gateway.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().field, "listen");
}

}  // namespace
}  // namespace bessemer::gateway

// Every route of the API refuses who may not: without a key, and with another tenant's.
//
// A route that has no row in `cases` fails the test: no route goes without one.
#include <gtest/gtest.h>

#include <map>

#include "application/api/api.h"
#include "application/daemon/running_for_test.h"

namespace bessemer::daemon {
namespace {

struct Case {
  std::string query;  // with '?'
  std::string body;
};

// What a permitted caller would send; {…} stands for things of tenant `acme`.
const std::map<std::string, Case>& cases() {
  static const std::string project = "?project=acme%2Fvision", org = "?org=acme";
  static const std::map<std::string, Case> all = {
      {"whoami", {}},
      {"openapi", {}},
      {"get_status", {}},
      {"list_gateways", {}},
      {"stop_daemon", {}},
      {"get_metrics", {}},
      {"create_org", {"", R"({"kind":"group","path":"acme/new"})"}},
      {"list_orgs", {"?below=acme", ""}},
      {"get_org", {}},
      {"change_org", {"", R"({"time_zone":"Europe/Berlin"})"}},
      {"suspend_org", {"", R"({"why":"test"})"}},
      {"resume_org", {}},
      {"close_org", {}},
      {"create_user", {"", R"({"org":"acme","name":"n"})"}},
      {"create_service_account", {"", R"({"org":"acme","name":"robot2"})"}},
      {"list_principals", {org, ""}},
      {"get_principal", {}},
      {"disable_principal", {}},
      {"enable_principal", {}},
      {"erase_principal", {}},
      {"grant_role", {"", R"({"org":"acme","principal":"{principal}","role":"viewer"})"}},
      {"list_roles", {org, ""}},
      {"revoke_role", {"?org=acme&principal={principal}&role=viewer", ""}},
      {"create_key", {"", R"({"org":"acme","name":"k"})"}},
      {"list_keys", {org, ""}},
      {"get_key", {}},
      {"revoke_key", {}},
      {"publish_price_book",
       {"", R"({"name":"mine","currency":"USD","prices":[{"meter":"requests","sku":"*",)"
            R"("amount":"1 USD"}]})"}},
      {"list_price_books", {}},
      {"get_price_book", {}},
      {"export_prices", {}},
      {"set_budget", {"", R"({"org":"acme","name":"b","limit":"1 USD"})"}},
      {"list_budgets", {org, ""}},
      {"get_budget", {}},
      {"remove_budget", {}},
      {"submit_job", {"", R"({"project":"acme/vision","command":["/bin/true"]})"}},
      {"list_jobs", {project, ""}},
      {"get_job", {}},
      {"cancel_job", {"", "{}"}},
      {"explain_job", {}},
      {"get_logs", {}},
      {"exec_in_task", {"", R"({"command":["/bin/true"]})"}},
      {"copy_task_files", {"", R"({"path":"/tmp"})"}},
      {"connect_to_task", {"", R"({"port":80})"}},
      {"submit_service",
       {"", R"({"project":"acme/vision","command":["/bin/true"],"service":{"port":80}})"}},
      {"list_services", {project, ""}},
      {"create_endpoint", {"", R"({"project":"acme/vision","name":"e","workload":{}})"}},
      {"list_endpoints", {project, ""}},
      {"get_endpoint", {}},
      {"change_endpoint", {"", R"({"replicas":0})"}},
      {"delete_endpoint", {}},
      {"list_artifacts", {project, ""}},
      {"begin_upload",
       {"", R"({"project":"acme/vision","bytes":1,"digest":")" + std::string(64, 'a') + "\"}"}},
      {"append_upload", {"?offset=0", "x"}},
      {"commit_upload", {"", "{}"}},
      {"abandon_upload", {}},
      {"publish_tree", {project, "bessemer-tree 1\n"}},
      {"get_tree", {project, ""}},
      {"get_blob", {project, ""}},
      {"create_dataset", {"", R"({"project":"acme/vision","name":"d2"})"}},
      {"list_datasets", {project, ""}},
      {"get_dataset", {}},
      {"add_dataset_version", {"", R"({"tree":")" + std::string(64, 'a') + "\"}"}},
      {"delete_dataset_version", {}},
      {"inspect_dataset_version", {}},
      {"delete_dataset", {}},
      {"list_runs", {project, ""}},
      {"get_run", {}},
      {"delete_run", {}},
      {"get_run_metrics", {}},
      {"get_lineage", {"?of=endpoint%3Aserve&project=acme%2Fvision", ""}},
      {"create_model", {"", R"({"project":"acme/vision","name":"m2"})"}},
      {"list_models", {project, ""}},
      {"get_model", {}},
      {"import_model_version", {"", R"({"tree":")" + std::string(64, 'a') + "\"}"}},
      {"set_model_alias", {"", R"({"version":1})"}},
      {"delete_model", {}},
      {"define_pipeline",
       {"", R"({"project":"acme/vision","definition":{"name":"p2","steps":[{"name":"a",)"
            R"("job":{"command":["/bin/true"]}}]}})"}},
      {"list_pipelines", {project, ""}},
      {"get_pipeline", {}},
      {"remove_pipeline", {}},
      {"run_pipeline", {"", "{}"}},
      {"list_pipeline_runs", {project, ""}},
      {"get_pipeline_run", {}},
      {"cancel_pipeline_run", {}},
      {"retry_pipeline_step", {"", R"({"step":"a"})"}},
      {"get_statement", {org, ""}},
      {"export_usage", {org, ""}},
      {"close_invoice", {"", R"({"org":"acme","period":"2026-01"})"}},
      {"list_invoices", {org, ""}},
      {"get_invoice", {}},
      {"list_accounts", {org, ""}},
      {"check_ledger", {}},
      {"list_transfers", {org, ""}},
      {"get_transfer", {}},
      {"list_wallets", {org, ""}},
      {"top_up_wallet", {"", R"({"org":"acme","amount":"1 USD"})"}},
      {"issue_credit_note", {"", R"({"org":"acme","amount":"1 USD","description":"d"})"}},
      {"add_charge", {"", R"({"org":"acme","amount":"1 USD","description":"d"})"}},
      {"list_leases", {}},
      {"write_off_gateway",
       {"", R"({"gateway":"gw_00000000000000000000000001","epoch":1,"reason":"r"})"}},
      {"get_margin", {}},
      {"explain_charge", {}},
      {"explain_refusal", {}},
      {"list_nodes", {}},
      {"get_node", {}},
      {"cordon_node", {"", "{}"}},
      {"drain_node", {"", "{}"}},
      {"ready_node", {"", "{}"}},
      {"set_queue", {"", R"({"org":"acme","pool":"default"})"}},
      {"list_queues", {org, ""}},
      {"remove_queue", {"?org=acme&pool=default", ""}},
      {"list_quotas", {org, ""}},
      {"set_quota", {"", R"({"org":"acme","counted":"keys","limit":1})"}},
      {"set_one_quota", {org, R"({"limit":1})"}},
      {"list_secrets", {project, ""}},
      {"put_secret", {project, R"({"value":"opensesame"})"}},
      {"remove_secret", {project, ""}},
      {"list_audit", {org, ""}},
      {"verify_audit", {}},
      {"watch_events", {}},
  };
  return all;
}

// Puts the things of tenant `acme` in the place of {names}.
std::string filled(std::string text, const std::map<std::string, std::string>& things) {
  for (const auto& [name, value] : things) {
    const std::string mark = "{" + name + "}";
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark)) {
      text.replace(at, mark.size(), value);
    }
  }
  return text;
}

// The same about a tenant that does not exist.
std::string renamed(std::string text, std::string_view to) {
  for (std::size_t at = text.find("acme"); at != std::string::npos; at = text.find("acme", at)) {
    text.replace(at, 4, to);
  }
  return text;
}

std::map<std::string, std::string> things_of_acme(Running& daemon) {
  const std::string& admin = daemon.admin();
  const auto make = [&](const std::string& method, const std::string& target,
                        const std::string& body) {
    return daemon.make(method, target, admin, body);
  };
  std::map<std::string, std::string> things;
  things["org"] = make("POST", "/api/v1/orgs", R"({"kind":"tenant","path":"acme"})");
  make("POST", "/api/v1/orgs", R"({"kind":"project","path":"acme/vision"})");
  things["principal"] =
      make("POST", "/api/v1/service-accounts", R"({"org":"acme","name":"robot"})");
  things["key"] = make("POST", "/api/v1/keys", R"({"org":"acme","name":"k"})");
  things["budget"] = make("PUT", "/api/v1/budgets", R"({"org":"acme","name":"x","limit":"9 USD"})");
  things["job"] = make("POST", "/api/v1/jobs",
                       R"({"project":"acme/vision","command":["/bin/true"],"tasks":4000})");
  things["dataset"] = make("POST", "/api/v1/datasets", R"({"project":"acme/vision","name":"d"})");
  things["model"] = make("POST", "/api/v1/models", R"({"project":"acme/vision","name":"m"})");
  things["pipeline"] = make("PUT", "/api/v1/pipelines",
                            R"({"project":"acme/vision","definition":{"name":"p","steps":)"
                            R"([{"name":"a","job":{"command":["/bin/true"]}}]}})");
  things["endpoint"] = make(
      "POST", "/api/v1/endpoints",
      R"({"project":"acme/vision","name":"serve","workload":{"command":["/bin/true"],)"
      R"("service":{"port":8000}}})");
  const auto run = daemon.call("POST", "/api/v1/pipelines/" + things["pipeline"] + "/runs", admin,
                               "{}");
  const std::size_t at = run.body.find("prn_");
  things["run"] = run.body.substr(at, 30);
  things["digest"] = std::string(64, 'a');
  things["version"] = "1";
  things["upload"] = make("POST", "/api/v1/uploads",
                          R"({"project":"acme/vision","bytes":1,"digest":")" +
                              std::string(64, 'b') + "\"}");
  things["node"] = "node_00000000000000000000000001";
  things["book"] = "standard";
  things["invoice"] = "inv_00000000000000000000000001";
  things["counted"] = "keys";
  things["transfer"] =
      make("POST", "/api/v1/wallets/top-ups", R"({"org":"acme","amount":"1 USD"})");
  things["charge"] = things["transfer"];
  things["refusal"] = things["job"];
  things["name"] = "token";
  things["alias"] = "champion";
  return things;
}

TEST(Authorization, EveryRouteRefusesWhoMayNot) {
  Running daemon("bessemer-authorization-test");
  ASSERT_TRUE(daemon.started());
  const auto things = things_of_acme(daemon);
  // Somebody of another tenant, who may do everything there.
  daemon.make("POST", "/api/v1/orgs", daemon.admin(), R"({"kind":"tenant","path":"other"})");
  const std::string principal = daemon.make("POST", "/api/v1/service-accounts", daemon.admin(),
                                            R"({"org":"other","name":"stranger"})");
  daemon.make("POST", "/api/v1/bindings", daemon.admin(),
              R"({"org":"other","principal":")" + principal + R"(","role":"tenant_admin"})",
              "principal");
  const std::string stranger =
      daemon.make("POST", "/api/v1/keys", daemon.admin(),
                  R"({"org":"other","name":"k","owner":")" + principal + "\"}", "secret");
  ASSERT_FALSE(stranger.empty());
  for (const api::Route& route : api::routes()) {
    if (route.entry == api::Entry::anyone) continue;
    const std::string operation(route.operation);
    SCOPED_TRACE(operation);
    const auto found = cases().find(operation);
    ASSERT_NE(found, cases().end()) << "this route has no authorization test";
    const std::string method(http::to_text(route.method));
    const std::string target = filled(std::string(route.pattern) + found->second.query, things);
    const std::string body = filled(found->second.body, things);
    EXPECT_EQ(daemon.call(method, target, "", body).status, 401);
    EXPECT_EQ(daemon.call(method, target, "bsm_" + std::string(58, '0'), body).status, 401);
    if (route.entry == api::Entry::signed_in) continue;
    const auto answer = daemon.call(method, target, stranger, body);
    EXPECT_TRUE(answer.status == 403 || answer.status == 404) << answer.status << answer.body;
    // What exists is told apart from what does not by nobody who may not know of it.
    if (target.find("acme") == std::string::npos && body.find("acme") == std::string::npos) {
      continue;
    }
    const auto unknown =
        daemon.call(method, renamed(target, "ghost"), stranger, renamed(body, "ghost"));
    EXPECT_EQ(renamed(answer.body, "ghost"), unknown.body);
  }
}

}  // namespace
}  // namespace bessemer::daemon

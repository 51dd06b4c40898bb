// Lineage drawn as a tree: where a thing came from, and what came of it.
#include "application/cli/session.h"
#include "application/cli/transfer.h"

namespace bessemer::cli {
namespace {

// "model digits@2  (safetensors, 1.2 MiB, champion)".
std::string named(const Document& thing) {
  std::string text = thing.text("kind") + " " + thing.text("label");
  if (!thing.text("detail").empty()) text += "  (" + thing.text("detail") + ")";
  return text;
}

void draw(const Document& branch, const std::string& indent, std::string& out) {
  const Document* branches = branch.find("branches");
  if (branches == nullptr) return;
  for (std::size_t i = 0; i < branches->members.size(); ++i) {
    const Document& one = branches->members[i].second;
    const bool last = i + 1 == branches->members.size();
    std::string line = named(one);
    if (!one.text("relation").empty()) line = one.text("relation") + " " + line;
    if (one.text("repeated") == "true") line += "  (shown above)";
    out += indent + (last ? "`- " : "|- ") + printable(line) + "\n";
    draw(one, indent + (last ? "   " : "|  "), out);
  }
}

}  // namespace

Result<int> show_lineage(Session& session) {
  const Arguments& given = session.arguments();
  if (given.has("up") && given.has("down")) return invalid("take --up or --down, not both");
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Output how, session.output());
  const auto project = session.project();
  for (const std::string direction : {"up", "down"}) {
    if (given.has(direction == "up" ? "down" : "up")) continue;
    const Query query = {{"of", given.operand(0)}, {"direction", direction},
                         {"project", project ? *project : std::string()}};
    TRY_ASSIGN(const Document tree, remote->get("/api/v1/lineage" + query_text(query)));
    if (how != Output::table) {
      TRY(session.show(tree));
      continue;
    }
    std::string out = printable(named(tree)) +
                      (direction == "up" ? "  came from\n" : "  led to\n");
    const Document* const branches = tree.find("branches");
    if (branches == nullptr || branches->members.empty()) {
      out += direction == "up" ? "`- nothing that is known\n" : "`- nothing yet\n";
    }
    draw(tree, "", out);
    session.print(out);
  }
  return 0;
}

}  // namespace bessemer::cli

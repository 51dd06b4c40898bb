// Models: brought in from files, and shown.
#include <map>

#include "application/cli/session.h"
#include "application/cli/transfer.h"

namespace bessemer::cli {
namespace {

const std::vector<Column>& version_columns() {
  static const std::vector<Column> columns = {
      {"VERSION", "number"},
      {"STATE", "state"},
      {"STAGE", "stage"},
      {"FORMAT", "format"},
      {"BYTES", "bytes", Show::bytes},
      {"METRICS", "metrics", Show::words},
      {"ORIGIN", "origin"},
      {"AGE", "created_at", Show::age},
      {"ARTIFACT", "artifact", Show::digest}};
  return columns;
}

// What the files' endings say, when they agree.
std::string format_of(const artifact::Manifest& manifest) {
  static const std::map<std::string_view, std::string> endings = {
      {".safetensors", "safetensors"}, {".gguf", "gguf"}, {".onnx", "onnx"}};
  std::string found;
  for (const artifact::Entry& entry : manifest.entries) {
    for (const auto& [ending, format] : endings) {
      if (!entry.path.ends_with(ending)) continue;
      if (!found.empty() && found != format) return "";
      found = format;
    }
  }
  return found;
}

}  // namespace

Result<int> import_model(Session& session) {
  const Arguments& given = session.arguments();
  TRY_ASSIGN(const artifact::Manifest manifest, read_tree(given.operand(1)));
  const std::string format = given.value("format").value_or(format_of(manifest));
  if (format.empty()) {
    return invalid("the files do not say which format they have")
        .at("--format")
        .fix("say --format safetensors, gguf, onnx, ...");
  }
  TRY_ASSIGN(const Pushed pushed, push_tree(session, given.operand(1)));
  TRY_ASSIGN(const std::string id, find_or_make(session, "/api/v1/models", given.operand(0)));
  TRY_ASSIGN(Remote* const remote, session.remote());
  Document body = Document::object();
  body.set("tree", Document::of(to_text(pushed.tree)));
  body.set("format", Document::of(format));
  if (const auto source = given.value("source")) body.set("source", Document::of(*source));
  TRY_ASSIGN(Document version, remote->call("POST", path_of("/api/v1/models/{}/versions", {id}),
                                            to_json(body, Layout::compact)));
  if (const auto alias = given.value("alias")) {
    Document target = Document::object();
    target.set("version", {Document::Kind::number, version.text("number"), {}});
    TRY(remote->call("PUT", path_of("/api/v1/models/{}/aliases/{}", {id, *alias}),
                     to_json(target, Layout::compact)));
  }
  tell_pushed(session, pushed);
  TRY_ASSIGN(const Output how, session.output());
  if (how != Output::table) {
    TRY(session.show(version));
    return 0;
  }
  session.print(render_table(version_columns(), {&version}, session.terminal().now(), 0));
  return 0;
}

Result<int> show_model(Session& session) {
  TRY_ASSIGN(const std::string id,
             look_up(session, "/api/v1/models", session.arguments().operand(0)));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Document model, remote->get(path_of("/api/v1/models/{}", {id})));
  TRY_ASSIGN(const Output how, session.output());
  if (how != Output::table) {
    TRY(session.show(model));
    return 0;
  }
  std::string out = printable(model.text("name")) + "  " + model.text("project_path") + "  " +
                    model.text("id") + "\n";
  if (const std::string text = model.text("description"); !text.empty()) {
    out += printable(text) + "\n";
  }
  std::vector<const Document*> rows;
  if (const Document* const versions = model.find("versions")) {
    for (const auto& [unnamed, version] : versions->members) rows.push_back(&version);
  }
  out += rows.empty() ? "no version yet\n"
                      : render_table(version_columns(), rows, session.terminal().now(), 0);
  if (const Document* const aliases = model.find("aliases")) {
    for (const auto& [name, number] : aliases->members) {
      out += printable(name) + " -> " + number.scalar + "\n";
    }
  }
  for (const Document* const version : rows) {
    const Document* const evaluations = version->find("evaluations");
    if (evaluations == nullptr) continue;
    for (const auto& [unnamed, evaluation] : evaluations->members) {
      out += "version " + version->text("number") + " " + printable(evaluation.text("name"));
      if (const Document* const metrics = evaluation.find("metrics")) {
        for (const auto& [name, value] : metrics->members) {
          out += "  " + printable(name) + "=" + value.scalar;
        }
      }
      out += "\n";
    }
  }
  session.print(out);
  return 0;
}

}  // namespace bessemer::cli

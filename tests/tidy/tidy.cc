// Checks what the compiler cannot: who may include whom, banned words, sizes, first lines.
//
// Usage: tidy ROOT. Reads ROOT/LAYERS and ROOT/tests/tidy/BANNED; prints one line per finding.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr int max_columns = 100;
constexpr int max_lines = 600;
constexpr int max_test_lines = 1200;
constexpr int max_function_lines = 70;

int findings = 0;

void complain(const std::string& path, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", path.c_str(), line, what.c_str());
  ++findings;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// What a module may include; under "<module> tests" what its tests may include besides.
using Layers = std::map<std::string, std::set<std::string>>;

Layers read_layers(const fs::path& root) {
  Layers may;
  std::ifstream in(root / "LAYERS");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    if (line.starts_with('#') || colon == std::string::npos) continue;
    const std::string module = words(line.substr(0, colon)).at(0);
    const std::string rest = line.substr(colon + 1);
    auto& allowed = may[module];
    for (const auto& below : words(rest.substr(0, rest.find('|')))) {
      if (below == "*") {
        for (const auto& [name, _] : may) allowed.insert(name);
      } else if (!may.contains(below)) {
        complain("LAYERS", 0, module + " names " + below + ", which is not above it");
      } else {
        allowed.insert(below);
      }
    }
    allowed.insert(module);
    const auto second = rest.find('|', rest.find('|') + 1);
    if (rest.find('|') == std::string::npos || second == std::string::npos) continue;
    for (const auto& beside : words(rest.substr(second + 1))) {
      if (!may.contains(beside)) complain("LAYERS", 0, module + ": " + beside + " is not above it");
      may[module + " tests"].insert(beside);
    }
  }
  return may;
}

struct Ban {
  std::string word, why;
  std::vector<std::string> allowed;  // path prefixes
};

std::vector<Ban> read_bans(const fs::path& root) {
  std::vector<Ban> bans;
  std::ifstream in(root / "tests/tidy/BANNED");
  for (std::string line; std::getline(in, line);) {
    const auto a = line.find(" | "), b = line.find(" | ", a + 3);
    if (line.starts_with('#') || b == std::string::npos) continue;
    Ban ban{line.substr(0, line.find_last_not_of(' ', a) + 1), line.substr(a + 3, b - a - 3), {}};
    for (const auto& file : words(line.substr(b + 3))) ban.allowed.push_back(file);
    bans.push_back(std::move(ban));
  }
  return bans;
}

bool starts_with_any(const std::string& path, const std::vector<std::string>& prefixes) {
  for (const auto& prefix : prefixes) {
    if (path.starts_with(prefix)) return true;
  }
  return false;
}

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// A whole word: no letter, digit or '_' directly before or (when it ends in one) after.
bool holds_word(const std::string& line, const std::string& word) {
  for (auto at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
    const bool before = at == 0 || !is_word_char(line[at - 1]) || !is_word_char(word.front());
    const auto end = at + word.size();
    const bool after = end >= line.size() || !is_word_char(word.back()) || !is_word_char(line[end]);
    if (before && after) return true;
  }
  return false;
}

struct Source {
  std::string path, module;
  bool is_test = false;
};

bool for_its_tests(const Source& source, const std::string& folder, const Layers& may) {
  const auto beside = may.find(source.module + " tests");
  return source.is_test && beside != may.end() && beside->second.contains(folder);
}

void check_include(const Source& source, int number, const std::string& line, const Layers& may) {
  if (!line.starts_with("#include \"")) return;
  const std::string target = line.substr(10, line.find('"', 10) - 10);
  const std::string folder = target.substr(0, target.rfind('/'));
  if (folder == target || !may.contains(folder)) {
    complain(source.path, number, "includes " + target + ", which is in no module of LAYERS");
  } else if (!may.at(source.module).contains(folder) && !for_its_tests(source, folder, may)) {
    complain(source.path, number, source.module + " may not include " + folder);
  }
}

void visit(const fs::path& root, const Source& source, const Layers& may,
           const std::vector<Ban>& bans) {
  std::ifstream in(root / source.path);
  int number = 0, opened = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (number == 1 && !line.starts_with("// ")) {
      complain(source.path, 1, "the first line says what the file is for");
    }
    if (line.size() > max_columns) complain(source.path, number, "longer than 100 columns");
    check_include(source, number, line, may);
    const std::string code = line.substr(0, line.find("//"));
    for (const auto& ban : bans) {
      if (holds_word(code, ban.word) && !starts_with_any(source.path, ban.allowed)) {
        complain(source.path, number, ban.word + ": " + ban.why);
      }
    }
    // A function body opens at a line that starts in column 0 and ends in '{'.
    const bool opens = !line.empty() && line.back() == '{' && line[0] != ' ' && line[0] != '}';
    if (opens && !line.starts_with("namespace") && !line.starts_with("struct") &&
        !line.starts_with("class") && !line.starts_with("enum") && !line.starts_with("extern")) {
      opened = number;
    }
    if (line.starts_with("}") && opened != 0) {
      if (number - opened > max_function_lines && !source.is_test) {
        complain(source.path, opened, "a function longer than 70 lines");
      }
      opened = 0;
    }
  }
  if (number > (source.is_test ? max_test_lines : max_lines)) {
    complain(source.path, number, "too long a file: which noun does it hide?");
  }
}

void visit_tree(const fs::path& root, const std::string& top, const Layers& may,
                const std::vector<Ban>& bans) {
  if (!fs::exists(root / top)) return;
  for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
    const auto extension = entry.path().extension();
    if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
    Source source;
    source.path = fs::relative(entry.path(), root).generic_string();
    const auto from = top == "src" ? 4u : 0u;
    source.module = source.path.substr(from, source.path.rfind('/') - from);
    source.is_test = source.path.ends_with("_test.cc") || source.path.ends_with("_for_test.h");
    if (!may.contains(source.module)) {
      complain(source.path, 0, "is in no module of LAYERS");
      continue;
    }
    visit(root, source, may, bans);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const fs::path root = argc > 1 ? argv[1] : ".";
  const auto may = read_layers(root);
  const auto bans = read_bans(root);
  visit_tree(root, "src", may, bans);
  visit_tree(root, "sim", may, bans);
  for (const auto& [module, _] : may) {
    const fs::path folder = module == "sim" ? root / "sim" : root / "src" / module;
    if (fs::exists(folder) && !fs::exists(folder / "README.md")) complain("LAYERS", 0, module + " has no README.md");
  }
  if (findings == 0) std::printf("tidy: clean\n");
  return findings == 0 ? 0 : 1;
}

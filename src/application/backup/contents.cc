// The list of a backup's files as text.
#include "application/backup/contents.h"

#include "base/text.h"

namespace bessemer::backup {
namespace {

constexpr std::string_view first_line = "bessemer-backup 1";

Error damaged(std::string_view why) {
  return invalid("the backup's list of files is damaged: " + std::string(why))
      .because("backup_damaged")
      .fix("use another backup");
}

// Takes "word value\n" off the front; nothing when it is not there.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view word) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(word) || text.size() <= word.size() ||
      text[word.size()] != ' ' || word.size() + 1 > end) {
    return std::nullopt;
  }
  const std::string_view value = text.substr(word.size() + 1, end - word.size() - 1);
  text.remove_prefix(end + 1);
  return value;
}

Result<void> take_file(std::string_view value, Contents& into) {
  const std::size_t one = value.find(' ');
  const std::size_t two = value.find(' ', one == std::string_view::npos ? one : one + 1);
  if (two == std::string_view::npos) return damaged("a line is cut off");
  const auto bytes = parse_unsigned(value.substr(0, one));
  const auto digest = from_text(std::type_identity<Digest>{}, value.substr(one + 1, two - one - 1));
  const std::string path(value.substr(two + 1));
  if (!bytes || !digest || !check_relative_path(path)) return damaged("a line is not understood");
  if (!into.files.emplace(path, Listed{*bytes, *digest}).second) return damaged(path + " twice");
  return {};
}

}  // namespace

std::string to_text(const Contents& contents) {
  std::string out(first_line);
  out += "\ntaken " + to_text(contents.taken);
  out += "\nsequence " + std::to_string(contents.at.sequence);
  out += "\nchain " + to_text(contents.at.chain) + "\n";
  for (const auto& [path, listed] : contents.files) {
    out += "file " + std::to_string(listed.bytes) + " " + to_text(listed.digest) + " " + path +
           "\n";
  }
  const Digest end = sha256(out);
  return out + "end " + to_text(end) + "\n";
}

Result<Contents> parse_contents(std::string_view text) {
  if (!text.starts_with(first_line)) {
    if (!text.starts_with("bessemer-backup ")) return damaged("it does not begin as one");
    return invalid("the backup is from a newer version").because("backup_newer").fix(
        "restore it with the version of bessemer that wrote it, or a later one");
  }
  const std::string_view all = text;
  const std::size_t end_at = text.rfind("\nend ");
  if (end_at == std::string_view::npos) return damaged("it is cut off");
  std::string_view end_line = text.substr(end_at + 1);
  const auto end = take_line(end_line, "end");
  if (!end || !end_line.empty() || to_text(sha256(all.substr(0, end_at + 1))) != *end) {
    return damaged("it is not what was written");
  }
  text = all.substr(0, end_at + 1);
  text.remove_prefix(first_line.size() + 1);
  Contents contents;
  const auto taken = take_line(text, "taken");
  const auto sequence = take_line(text, "sequence");
  const auto chain = take_line(text, "chain");
  if (!taken || !sequence || !chain) return damaged("its head is not understood");
  const auto number = parse_unsigned(*sequence);
  if (!number) return damaged("its sequence is no number");
  TRY_ASSIGN(contents.taken, from_text(std::type_identity<Instant>{}, *taken));
  TRY_ASSIGN(contents.at.chain, from_text(std::type_identity<Digest>{}, *chain));
  contents.at.sequence = *number;
  while (!text.empty()) {
    const auto file = take_line(text, "file");
    if (!file) return damaged("a line is not understood");
    TRY(take_file(*file, contents));
  }
  return contents;
}

}  // namespace bessemer::backup

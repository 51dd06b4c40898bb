// The answer that a caller would have got without a stream, put together from the stream's chunks.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace bessemer::gateway {

// Adds chunks of /v1/chat/completions or /v1/completions up. What repeats (id, model, role) is kept
// once, text goes on where it stood, lists grow, and what carries an "index" joins its like: as
// OpenAI's own libraries add deltas up. Members that this program does not know follow the same
// rules.
class Assembly {
 public:
  Assembly();
  ~Assembly();

  // A chunk's JSON. False: it is no object, or the answer would be longer than `most` bytes.
  bool add(std::string_view chunk, std::size_t most);
  // The whole answer. `unfinished`: the finish_reason of choices whose end has not come.
  std::string finish(std::string_view unfinished = {});

 private:
  struct Tree;
  std::unique_ptr<Tree> tree_;
  std::size_t bytes_ = 0;  // of all chunks: more than the answer's
};

}  // namespace bessemer::gateway

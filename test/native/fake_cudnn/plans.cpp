#include "plans.h"

#include <charconv>

namespace fake_cudnn {

using namespace api;

namespace {

constexpr char kBegin[] = R"({"fake_cudnn":[)", kEnd[] = "]}";

// Every number of a plan, in order, to be written or to be read: visit(x) for each, resize(v) for a list.
template <typename Plan, typename Visitor>
void visit_all(Plan& plan, Visitor& visitor) {
  visitor.number(plan.engine);
  visitor.list(plan.knobs);
  for (auto& [type, value] : plan.knobs) visitor.number(type), visitor.number(value);
  auto& p = plan.problem;
  visitor.number(p.convolution), visitor.number(p.type), visitor.number(p.result_type);
  for (auto* v : {&p.n, &p.h, &p.w, &p.ci, &p.co, &p.kh, &p.kw, &p.pad_h, &p.pad_w, &p.x, &p.filter, &p.y, &p.result})
    visitor.number(*v);
  visitor.list(p.steps);
  for (auto& step : p.steps) visitor.number(step.mode), visitor.number(step.operand), visitor.number(step.per_channel);
}

struct Writer {
  std::string text;
  void number(int64_t value) {
    if (!text.empty()) text += ',';
    text += std::to_string(value);
  }
  template <typename T>
  void list(const std::vector<T>& all) {
    number(static_cast<int64_t>(all.size()));
  }
};

struct Reader {
  const char *at, *end;
  template <typename T>
  void number(T& value) {
    int64_t read = 0;
    const auto [next, error] = std::from_chars(at, end, read);
    require(error == std::errc() && (next == end || *next == ','), kBadParam, "a plan's text: expected a number");
    at = next + (next != end);
    value = static_cast<T>(read);
  }
  template <typename T>
  void list(std::vector<T>& all) {
    size_t count = 0;
    number(count);
    require(count < 16, kBadParam, "a plan's text: a list too long");
    all.resize(count);
  }
};

}  // namespace

std::string write(const WrittenPlan& plan, int64_t version) {
  Writer writer;
  writer.number(version);
  visit_all(plan, writer);
  return kBegin + writer.text + kEnd;
}

WrittenPlan read(const std::string& text, int64_t version) {
  const size_t begin = sizeof kBegin - 1, end = sizeof kEnd - 1;
  require(text.size() > begin + end && text.compare(0, begin, kBegin) == 0, kBadParam, "a plan's text: no plan");
  Reader reader{text.data() + begin, text.data() + text.size() - end};
  int64_t written_by = 0;
  reader.number(written_by);
  require(written_by == version, kNotSupported, "a plan of another version");
  WrittenPlan plan{};
  visit_all(plan, reader);
  require(write(plan, version) == text, kBadParam, "a plan's text: not as it was written");
  facts(plan.engine, plan.problem);
  return plan;
}

}  // namespace fake_cudnn

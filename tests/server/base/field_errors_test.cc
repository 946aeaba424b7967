#include "server/base/field_errors.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/utf8.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(FieldErrors, NoneIsOk) {
  EXPECT_TRUE(FieldErrors().ToStatus().ok());
  EXPECT_THAT(FieldErrorsOf(absl::OkStatus()), SizeIs(0));
}

TEST(FieldErrors, NamesFieldValueAndRuleOfEachAtOnce) {
  FieldErrors errors("topology.");
  errors.Add("num_gpus", "0", "must be at least 1");
  errors.Add("num_slots", "", "is required");
  const absl::Status status = errors.ToStatus();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status), "topology.num_gpus: 0: must be at least 1; topology.num_slots: is required");
  EXPECT_THAT(FieldErrorsOf(status), ElementsAre(FieldError{"topology.num_gpus", "0", "must be at least 1"},
                                                 FieldError{"topology.num_slots", "", "is required"}));
}

TEST(FieldErrors, MergePutsTheOuterFieldBefore) {
  FieldErrors outer;
  outer.Merge("topology", FieldErrorStatus("num_gpus", "0", "must be at least 1"));
  outer.Merge("file", absl::NotFoundError("no such file"));
  outer.Merge("fine", absl::OkStatus());
  EXPECT_THAT(outer.errors(), ElementsAre(FieldError{"topology.num_gpus", "0", "must be at least 1"},
                                          FieldError{"file", "", "no such file"}));
}

TEST(FieldErrors, HostileTextCannotForgeOrGrowTheAnswer) {
  FieldErrors errors;
  for (int i = 0; i < 1000; ++i) errors.Add("field\x1f", std::string(100000, 'x') + "\n\x1e", "rule\x1e");
  const absl::Status status = errors.ToStatus();
  EXPECT_THAT(FieldErrorsOf(status), SizeIs(FieldErrors::kMaxErrors));
  EXPECT_EQ(FieldErrorsOf(status)[0].field, "field?");
  EXPECT_LT(status.message().size(), 100U * FieldErrors::kMaxErrors);
  EXPECT_THAT(Message(status), HasSubstr("and 968 more"));
}

TEST(FieldErrors, RangesNameBothBoundsOrTheOneThatThereIs) {
  FieldErrors errors;
  EXPECT_TRUE(errors.CheckRange("fits", 3, 3, 3));
  EXPECT_FALSE(errors.CheckRange("low", 2, 3, 5));
  EXPECT_FALSE(errors.CheckRange("open", -1, 0, FieldErrors::kNoBound));
  EXPECT_THAT(errors.errors(), ElementsAre(FieldError{"low", "2", "must be from 3 to 5"},
                                           FieldError{"open", "-1", "must be at least 0"}));
}

// Protocol buffers drop the details of an error that holds anything but UTF-8.
TEST(FieldErrors, TextInAnyLanguageStaysWellFormed) {
  for (const std::string_view last : {"\u00e9", "\u20ac", "\U0001f600"}) {
    for (std::size_t start = 60; start <= 64; ++start) {
      const std::string text = std::string(start, 'a') + std::string(last) + "tail of the value";
      const std::string quoted = QuoteForError(text);
      EXPECT_TRUE(IsPrintableUtf8(quoted)) << quoted;
      EXPECT_EQ(quoted, start + last.size() > 64 ? std::string(start, 'a') + "..." : text.substr(0, 64) + "...");
    }
  }
  EXPECT_EQ(QuoteForError("w\xff-7"), "w?-7");
}

}  // namespace
}  // namespace eplb

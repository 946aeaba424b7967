#include "server/base/field_errors.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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

}  // namespace
}  // namespace eplb

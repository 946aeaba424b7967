#include "server/rpc/convert/load_message.h"

#include <span>
#include <unordered_map>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr auto kMaxTokens = static_cast<std::uint64_t>(kMaxLayerLoad);

std::string LayerField(int sample, int layer, std::string_view field) {
  return absl::StrCat("samples[", sample, "].layers[", layer, "].", std::string(field));
}

// Reads the layers of one sample; the field paths start with "samples[index]".
class SampleReader {
 public:
  SampleReader(int index, const LoadShape& shape, const Placement* current, FieldErrors& errors)
      : index_(index), shape_(shape), current_(current), errors_(errors) {}

  // Row-major [layers x experts]; of no use where errors were added.
  std::vector<double> Read(const v1::LoadSample& sample) {
    const int num_layers = static_cast<int>(shape_.model_layers.size());
    std::vector<double> values(shape_.model_layers.size() * static_cast<std::size_t>(shape_.num_experts), 0.0);
    if (sample.layers_size() != num_layers) {
      errors_.Add(absl::StrCat("samples[", index_, "].layers"), absl::StrCat(sample.layers_size(), " layers"),
                  absl::StrCat("must have as many as samples[0], ", num_layers));
      return values;
    }
    for (int layer = 0; layer < num_layers; ++layer) {
      const auto width = static_cast<std::size_t>(shape_.num_experts);
      ReadLayer(layer, sample.layers(layer),
                std::span<double>(values).subspan(static_cast<std::size_t>(layer) * width, width));
    }
    return values;
  }

 private:
  void ReadLayer(int layer, const v1::LayerLoad& load, std::span<double> row) {
    const int expected = shape_.model_layers[static_cast<std::size_t>(layer)];
    if (load.model_layer() != expected) {
      errors_.Add(LayerField(index_, layer, "model_layer"), absl::StrCat(load.model_layer()),
                  absl::StrCat("must be that of samples[0].layers[", layer, "], ", expected));
    } else if (load.tokens().empty() == load.slot_tokens().empty()) {
      errors_.Add(LayerField(index_, layer, "tokens"), load.tokens().empty() ? "none" : "beside slot_tokens",
                  "exactly one of tokens and slot_tokens must be given");
    } else if (!load.tokens().empty()) {
      ReadTokens(layer, load.tokens(), row);
    } else {
      ReadSlotTokens(layer, load.slot_tokens(), row);
    }
  }

  void ReadTokens(int layer, const google::protobuf::RepeatedField<std::uint64_t>& tokens, std::span<double> row) {
    if (!CheckSize(LayerField(index_, layer, "tokens"), tokens.size(), shape_.num_experts, "the number of experts")) {
      return;
    }
    for (int expert = 0; expert < tokens.size(); ++expert) {
      row[static_cast<std::size_t>(expert)] = static_cast<double>(tokens[expert]);
    }
    CheckSum(LayerField(index_, layer, "tokens"), tokens);
  }

  void ReadSlotTokens(int layer, const google::protobuf::RepeatedField<std::uint64_t>& tokens, std::span<double> row) {
    const std::string field = LayerField(index_, layer, "slot_tokens");
    if (current_ == nullptr) {
      errors_.Add(field, "", "needs the current placement in `current`");
      return;
    }
    if (!CheckSize(field, tokens.size(), current_->num_slots(), "the number of slots")) return;
    const std::span<const std::int32_t> expert_of = current_->layer(layer);
    for (int slot = 0; slot < tokens.size(); ++slot) {
      const std::int32_t expert = expert_of[static_cast<std::size_t>(slot)];
      if (expert != kEmptySlot) {
        row[static_cast<std::size_t>(expert)] += static_cast<double>(tokens[slot]);
      } else if (tokens[slot] != 0) {
        errors_.Add(absl::StrCat(field, "[", slot, "]"), absl::StrCat(tokens[slot]),
                    "must be 0, as the slot is empty in `current`");
      }
    }
    CheckSum(field, tokens);
  }

  bool CheckSize(const std::string& field, int size, int expected, std::string_view what) {
    if (size == expected) return true;
    errors_.Add(field, absl::StrCat(size, " entries"), absl::StrCat("must be ", std::string(what), ", ", expected));
    return false;
  }

  // Names the entry at which the sum goes past 2^53.
  void CheckSum(const std::string& field, const google::protobuf::RepeatedField<std::uint64_t>& tokens) {
    std::uint64_t sum = 0;
    for (int i = 0; i < tokens.size(); ++i) {
      if (tokens[i] > kMaxTokens - sum) {
        errors_.Add(absl::StrCat(field, "[", i, "]"), absl::StrCat(tokens[i]), "the layer must sum to at most 2^53");
        return;
      }
      sum += tokens[i];
    }
  }

  const int index_;
  const LoadShape& shape_;
  const Placement* const current_;
  FieldErrors& errors_;
};

bool CheckCount(FieldErrors& errors, std::string_view field, int count, int high, std::string_view what) {
  if (count >= 1 && count <= high) return true;
  errors.Add(field, absl::StrCat(count, " ", std::string(what)), absl::StrCat("must be from 1 to ", high));
  return false;
}

// Absolute layer indices of the first sample; adds an error for one below 0 and for one that comes twice.
std::vector<int> ReadModelLayers(const v1::LoadSample& sample, FieldErrors& errors) {
  std::vector<int> model_layers;
  std::unordered_map<int, int> seen;
  for (int layer = 0; layer < sample.layers_size(); ++layer) {
    const int model_layer = sample.layers(layer).model_layer();
    const std::string field = LayerField(0, layer, "model_layer");
    const auto [first, is_new] = seen.emplace(model_layer, layer);
    if (model_layer < 0) {
      errors.Add(field, absl::StrCat(model_layer), "must be at least 0");
    } else if (!is_new) {
      errors.Add(field, absl::StrCat(model_layer), absl::StrCat("must not be that of layers[", first->second, "] too"));
    }
    model_layers.push_back(model_layer);
  }
  return model_layers;
}

bool CheckWeight(FieldErrors& errors, int sample, double weight) {
  if (weight >= 0 && weight <= kMaxSampleWeight) return true;
  errors.Add(absl::StrCat("samples[", sample, "].weight"), absl::StrCat(weight), "must be from 0 to 2^53");
  return false;
}

// Entries of the first layer, of any sample, that is given by expert; 0 where none is. The layer's field is told too.
int FindNumExperts(const LoadSampleMessages& samples, std::string& field) {
  for (int sample = 0; sample < samples.size(); ++sample) {
    for (int layer = 0; layer < samples[sample].layers_size(); ++layer) {
      const int size = samples[sample].layers(layer).tokens_size();
      if (size == 0) continue;
      field = LayerField(sample, layer, "tokens");
      return size;
    }
  }
  return 0;
}

}  // namespace

std::optional<LoadShape> ReadLoadShape(const LoadSampleMessages& samples, const RequestLimits& limits,
                                       FieldErrors& errors) {
  if (!CheckCount(errors, "samples", samples.size(), limits.max_samples, "samples")) return std::nullopt;
  if (!CheckCount(errors, "samples[0].layers", samples[0].layers_size(), limits.max_layers, "layers")) {
    return std::nullopt;
  }
  LoadShape shape;
  FieldErrors own;
  shape.model_layers = ReadModelLayers(samples[0], own);
  std::string field;
  shape.num_experts = FindNumExperts(samples, field);
  if (shape.num_experts > 0) CheckCount(own, field, shape.num_experts, limits.max_experts, "experts");
  errors.Merge("", own.ToStatus());
  if (!own.empty()) return std::nullopt;
  return shape;
}

std::vector<LoadSample> ReadLoadSamples(const LoadSampleMessages& samples, const LoadShape& shape,
                                        const Placement* current, FieldErrors& errors) {
  std::vector<LoadSample> out;
  bool any_weight = false;
  for (int i = 0; i < samples.size(); ++i) {
    const double weight = samples[i].has_weight() ? samples[i].weight() : 1.0;
    FieldErrors own;
    const bool counts = !CheckWeight(own, i, weight) || weight > 0;
    if (!v1::Phase_IsValid(samples[i].phase())) {
      own.Add(absl::StrCat("samples[", i, "].phase"), absl::StrCat(static_cast<int>(samples[i].phase())),
              "must be a known phase");
    }
    std::vector<double> values = SampleReader(i, shape, current, own).Read(samples[i]);
    any_weight = any_weight || counts;
    errors.Merge("", own.ToStatus());
    if (!counts || !own.empty()) continue;
    absl::StatusOr<LoadMatrix> loads =
        LoadMatrix::Create(static_cast<int>(shape.model_layers.size()), shape.num_experts, std::move(values));
    EPLB_CHECK(loads.ok());
    out.push_back({.loads = *std::move(loads), .weight = weight});
  }
  if (!any_weight) errors.Add("samples", "all of weight 0", "at least one must have a weight above 0");
  return out;
}

}  // namespace eplb

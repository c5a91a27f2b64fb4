/**
 * Shapes of the page data that `crsrisk/report/explorer.py` writes; names and meanings are those of
 * the Python objects they come from.
 *
 * @typedef {string | number | boolean | null} Cell a value of a patient; null is missing
 * @typedef {Readonly<Record<string, Cell>>} Row one patient by column of the observed table
 * @typedef {[number, number]} Span
 *
 * @typedef {object} Column
 * @property {string} name
 * @property {"number" | "flag" | "word"} kind
 * @property {string} unit
 * @property {boolean} may_be_missing
 * @property {boolean} was_missing_in_training
 * @property {Span | null} possible
 * @property {Span | null} trained
 * @property {string[]} levels
 *
 * @typedef {object} Feature
 * @property {string} name
 * @property {string} variable
 * @property {string} direction
 * @property {number | null} fill
 *
 * @typedef {object} Variable
 * @property {string} name
 * @property {string} label
 * @property {string} unit
 * @property {"cause" | "marker" | "mediator"} kind
 * @property {"lever" | "fact"} role
 * @property {string} theme
 * @property {string} why
 * @property {Span | null} usual
 *
 * @typedef {object} Bound
 * @property {string} column
 * @property {number | null} at_least
 * @property {number | null} below
 *
 * @typedef {object} RefusedGroup
 * @property {Bound[]} bounds
 * @property {string} reason
 *
 * @typedef {object} MedianPatient
 * @property {"product" | "platform" | "all"} group
 * @property {string} name
 * @property {number} n_patients
 * @property {Record<string, Cell>} values
 *
 * @typedef {object} Contract
 * @property {string} name
 * @property {string} outcome
 * @property {string} outcome_in_words
 * @property {Record<string, number>} window_d
 * @property {number} landmark_h
 * @property {Column[]} columns
 * @property {Feature[]} features
 * @property {Variable[]} variables
 * @property {number} n_patients
 * @property {number} n_events
 * @property {RefusedGroup[]} refused
 * @property {MedianPatient[]} median_patients
 *
 * @typedef {object} ForestDocument
 * @property {number[]} feature
 * @property {(number | null)[]} threshold null is infinite
 * @property {number[]} decision
 * @property {number[]} left
 * @property {number[]} right
 * @property {number[]} leaf
 * @property {number[]} roots
 *
 * @typedef {object} RefitsDocument
 * @property {string} format
 * @property {string} model
 * @property {string[]} features
 * @property {{feature: number[], threshold: (number | null)[], decision: number[]}} splits
 * @property {{nodes: number[], leaf: number[], fill: (number | null)[], intercept: number,
 *   slope: number}[]} refits
 *
 * @typedef {object} Spread
 * @property {number[]} knots
 * @property {number[]} scores
 * @property {[number, number]} low
 * @property {[number, number]} high
 *
 * @typedef {object} Applicability
 * @property {string} format
 * @property {string[]} columns
 * @property {number[]} scales
 * @property {string | null} grade_column
 * @property {Record<string, Record<string, Spread>>} groups
 * @property {number[][]} correlation
 * @property {number} value_limit
 * @property {number} combination_limit
 * @property {number} false_alarm_rate
 * @property {number} n_patients
 * @property {number} n_products
 * @property {number | null} between_products_sd
 *
 * @typedef {object} TrueLogOdds
 * @property {number} centre
 * @property {number} low
 * @property {number} high
 * @property {number} shift
 * @property {number} tilt
 * @property {number} log_sd
 * @property {number} log_sd_tilt
 * @property {number} n_patients
 *
 * @typedef {object} WorldSpread
 * @property {string} ensemble
 * @property {number} n_members
 * @property {number} n_replicates
 * @property {Record<string, TrueLogOdds>} products
 * @property {Record<string, TrueLogOdds>} new_products
 *
 * @typedef {object} ReferenceGroup
 * @property {number} n_patients
 * @property {Record<string, Cell>} typical
 * @property {Record<string, number>} low
 * @property {Record<string, number>} high
 * @property {Record<string, (boolean | string)[]>} seen
 * @property {string} pooled
 *
 * @typedef {object} ModelDocument
 * @property {string} label
 * @property {string} notice
 * @property {Contract} contract
 * @property {ForestDocument} forest
 * @property {{intercept: number, slope: number, n_patients: number, method: string}} calibrator
 * @property {Applicability | null} applicability
 * @property {RefitsDocument | null} refits
 * @property {number | null} refit_reach Student's t of the refits
 * @property {WorldSpread | null} worlds
 * @property {number} world_reach normal quantile of the interval shown first
 * @property {Record<string, ReferenceGroup>} reference
 * @property {Record<string, string>} covers by what an interval holds, what it covers
 * @property {Record<string, {label: string, unit: string}>} labels of columns, in print
 *
 * @typedef {object} ModelPairDocument
 * @property {ModelDocument} grade2plus
 * @property {ModelDocument | null} grade3plus
 *
 * @typedef {object} IdentityFacts
 * @property {string[]} platforms
 * @property {Record<string, string>} platform_of by product
 * @property {Record<string, string>} product_names by name in small letters and digits, the product
 * @property {Record<string, {is_female: number | null, youngest_years: number}>} tumour_types
 * @property {number} adult_years
 *
 * @typedef {object} UnitsOfColumn
 * @property {string} unit
 * @property {Record<string, number>} other_units factor to `unit`
 * @property {Record<string, number>} limited_units factor to the unit of the laboratory's limit
 * @property {Record<string, number>} zeros
 *
 * @typedef {UnitsOfColumn & {name: string, label: string, meaning: string,
 *   kind: "float" | "int" | "bool" | "category", possible: Span | null, plausible: Span | null,
 *   usual: Span | null}} InputColumn
 *
 * @typedef {object} PageRegimen
 * @property {string} name
 * @property {string} note
 * @property {Record<string, string | number | boolean>} row
 * @property {boolean} has_own_dose
 *
 * @typedef {{name: string, label: string, guidance: ProductGuidance}} ShownProduct
 *
 * @typedef {ShownProduct & {other_names: string[], platform: string, window_d: number,
 *   tumour_type: string, tumour_label: string, default_regimen: string,
 *   regimens: PageRegimen[]}} PageProduct
 *
 * @typedef {object} PublishedRate
 * @property {string} product
 * @property {1 | 2 | 3} grade this one or more
 * @property {string} trial
 * @property {number} events
 * @property {number} n
 * @property {number} low
 * @property {number} high
 * @property {boolean} is_verified
 *
 * @typedef {{text: string, mark: string}} GuidanceLine
 * @typedef {{title: string, lines: GuidanceLine[]}} GuidanceGroup
 *
 * @typedef {object} ProductGuidance
 * @property {string} about
 * @property {string} observation
 * @property {GuidanceGroup[]} watch
 * @property {GuidanceLine[]} fever_first
 * @property {{name: string, supports: GuidanceLine[], against: GuidanceLine[],
 *   tests: GuidanceLine[]}[]} fever
 * @property {string} management_title
 * @property {{grade: number, definition: string, lines: GuidanceLine[]}[]} management
 * @property {GuidanceGroup[]} any_grade
 * @property {GuidanceGroup[]} after
 * @property {{number: number, citation: string}[]} sources
 * @property {string} marks
 *
 * @typedef {object} PairEntry
 * @property {string} key
 * @property {string} label
 * @property {string | null} grade3plus
 * @property {number} landmark_h
 * @property {string} sha256
 *
 * @typedef {object} PageFacts what a result is shown with, whoever computed it
 * @property {string} version
 * @property {string} notice
 * @property {PublishedRate[]} published
 * @property {Record<string, string>} grades
 * @property {string} grades_source
 * @property {string} explanation_notice
 *
 * @typedef {object} ExplorerData
 * @property {"crsrisk explorer 1"} format
 * @property {PairEntry[]} models
 * @property {PageProduct[]} products
 * @property {InputColumn[]} columns
 * @property {{stem: string, column: InputColumn}[]} course
 * @property {number[]} hours
 * @property {{name: string, label: string, column: string}[]} prophylaxis
 * @property {IdentityFacts} identity
 * @property {Record<string, string>} interval_names
 * @property {Record<string, string>} agents labels of what the regimens' tab gives before dose 1
 *
 * @typedef {PageFacts & ExplorerData} PageData
 *
 * @typedef {object} RegimenSettings of `crsrisk/data/regimen_design.py`
 * @property {"as_planned" | "none"} step_up
 * @property {number} first_dose_multiple
 * @property {number} interval_multiple
 * @property {"as_planned" | "none"} premedication
 * @property {string[]} prophylaxis
 * @property {number | null} liver_metastases_share
 *
 * @typedef {"crs_any" | "crs_grade2plus" | "crs_grade3plus"} GridFigureName
 *
 * @typedef {object} GridArm of `crsrisk/data/regimen_grid.py`, as all that follows
 * @property {RegimenSettings} design
 * @property {Record<GridFigureName, {median: number, low: number, high: number, mc_error: number}>} figures
 * @property {number[]} rates_per_mille
 *
 * @typedef {object} RiskBand
 * @property {number | null} below
 * @property {number} n_with_event
 * @property {number} n_without
 * @property {number | null} kept
 * @property {number | null} caused
 *
 * @typedef {object} ThresholdValue
 * @property {number} percent
 * @property {number} treated_per_100
 * @property {number} averted_per_100
 * @property {number} low
 * @property {number} high
 * @property {number} mc_error
 * @property {number} needless_per_100
 *
 * @typedef {object} GridChange
 * @property {string} label
 * @property {string} kind
 * @property {number} usual_per_100
 * @property {number} changed_per_100
 * @property {number} averted_per_100
 * @property {number} low
 * @property {number} high
 * @property {number} mc_error
 * @property {RiskBand[]} bands
 * @property {ThresholdValue[]} thresholds
 *
 * @typedef {object} PlannedDoses
 * @property {number[]} times_h
 * @property {number[]} amounts
 * @property {string} unit
 * @property {number} window_h
 *
 * @typedef {{typical_per_100: number, largest_per_100: number}} InterpolationError
 *
 * @typedef {object} ProductGrid
 * @property {string} product
 * @property {PlannedDoses} doses
 * @property {number} liver_metastases_share
 * @property {GridArm[]} arms
 * @property {{errors: Record<GridFigureName | "change_of_grade2plus", InterpolationError>}} interpolation
 * @property {GridChange[]} changes
 *
 * @typedef {object} OffPer100 0 where it was simulated; in the rates, and in their difference from another
 * @property {number} off_per_100
 * @property {number} change_off_per_100
 *
 * @typedef {GridArm & OffPer100} ShownArm
 *
 * @typedef {object} RegimenGrid
 * @property {string} model
 * @property {number} members
 * @property {number} patients
 * @property {number} seed
 * @property {number} most_error_per_100 where interpolation is off by more, settings are those simulated
 * @property {ProductGrid[]} products
 *
 * @typedef {Record<string, {key: string, unit: string}>} PatientKeys
 *
 * @typedef {object} ServerData
 * @property {Record<string, string>} simulation address by key of a pair
 * @property {PatientKeys} keys by column
 * @property {PatientKeys} course by reading after the first dose, without its hour
 * @property {boolean} has_token
 *
 * @typedef {object} Share
 * @property {number} value
 * @property {number | null} low
 * @property {number | null} high
 * @property {number | null} mc_error
 *
 * @typedef {{grade2plus: Share, grade3plus: Share | null}} GradeShares
 * @typedef {{label: string, shares: GradeShares}} ComparedPlan
 * @typedef {ComparedPlan & {kind: string, difference: GradeShares}} Alternative
 *
 * @typedef {object} Comparison of `crsrisk/report/comparison.py`
 * @property {string} model
 * @property {string} window
 * @property {GradeShares | null} risk
 * @property {GradeShares | null} as_simulated
 * @property {boolean} starts_at_model
 * @property {ComparedPlan | null} baseline
 * @property {Alternative[]} alternatives
 * @property {number} n_people
 * @property {number} seed
 * @property {"unknown"} effect_on_tumour
 * @property {string} why_none
 * @property {string} notice
 *
 * Answers about one patient: computed by the page's own engine, or by Python and embedded in the page
 * (`crsrisk/report/patient_page.py`).
 *
 * @typedef {object} GradeAnswer
 * @property {number} value 0-1
 * @property {number | null} low
 * @property {number | null} high
 * @property {string} count "38", "fewer than 1"
 * @property {string} sentence
 * @property {string} range "" without an interval
 *
 * @typedef {{of_100: number, text: string}} ReasonLine
 *
 * @typedef {object} RiskAnswer
 * @property {"risk"} kind
 * @property {GradeAnswer} grade2plus
 * @property {GradeAnswer | null} grade3plus
 * @property {string} interval_name
 * @property {string} covers "" without an interval
 * @property {string} refit_range "" where it is what is shown first
 * @property {string} beside the simulator's number, where it is another one
 * @property {string[]} warnings
 * @property {{start: string, up: ReasonLine[], down: ReasonLine[], rest: number}} reasons
 *
 * @typedef {object} NoAnswer
 * @property {"cannot"} kind
 * @property {string[]} because
 * @property {string[]} instead what is simulated in its place
 * @property {string[]} warnings
 *
 * @typedef {RiskAnswer | NoAnswer} Answer
 * @typedef {{label: string, value: string, is_outside?: boolean}} Entered
 * @typedef {{title: string, groups: {title: string, lines: string[]}[]}} Note
 *
 * @typedef {object} EmbeddedPatient
 * @property {"crsrisk patient page 1"} format
 * @property {string} title
 * @property {string} label
 * @property {string[]} models
 * @property {string} inputs_sha256
 * @property {ShownProduct} product
 * @property {Entered[]} entered
 * @property {Answer} answer
 * @property {string[]} spread
 * @property {Comparison | null} comparison
 * @property {string} waits
 * @property {Note[]} notes
 *
 * @typedef {PageFacts & EmbeddedPatient} PatientPage
 */

export {};

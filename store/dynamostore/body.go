package dynamostore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

// attributes returns the fields of a body that store.CheckBody takes.
func attributes(body json.RawMessage) (map[string]types.AttributeValue, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("dynamostore: body: %w", err)
	}
	return attributesOf(fields), nil
}

func attributesOf(fields map[string]any) map[string]types.AttributeValue {
	// Room for what an item has besides.
	m := make(map[string]types.AttributeValue, len(fields)+len(systemNames))
	for name, v := range fields {
		m[attributeName(name)] = attribute(v)
	}
	return m
}

// attribute returns what json.Decoder makes of a value, numbers kept as text, as DynamoDB holds it.
func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case json.Number:
		return &types.AttributeValueMemberN{Value: number(v.String())}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i := range v {
			list[i] = attribute(v[i])
		}
		return &types.AttributeValueMemberL{Value: list}
	case map[string]any:
		return &types.AttributeValueMemberM{Value: attributesOf(v)}
	default:
		return &types.AttributeValueMemberNULL{Value: true}
	}
}

// number returns a JSON number in a form that DynamoDB takes: written in full it may have more than 38 digits, and
// a zero any exponent, where the value has not. An integer stays one, since an engine may give back what it was given.
func number(text string) string {
	if len(text) <= store.MaxDigits && !strings.ContainsAny(text, "eE") {
		return text
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	sign := ""
	if rest, negative := strings.CutPrefix(mantissa, "-"); negative {
		sign, mantissa = "-", rest
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	power, _ := strconv.Atoi(exponent) // none is 0; others fit, or store.CheckBody would have refused them
	power -= len(fraction)
	short := strings.TrimRight(digits, "0")
	power += len(digits) - len(short)
	return sign + short + "E" + strconv.Itoa(power)
}

// The attributes of every item. Those of its body have other names.
const (
	partitionName      = "pk"
	sortName           = "sk"
	versionName        = "_v"
	callName           = "_c"
	expiryName         = "_ttl"
	indexPartitionName = "_xp"
	indexSortName      = "_xs"
)

var systemNames = [...]string{partitionName, sortName, versionName, callName, expiryName, indexPartitionName, indexSortName}

// attributeName returns the attribute that holds a field: names that are none, or ours, get a "_" before them.
func attributeName(field string) string {
	if field == "" || field == partitionName || field == sortName || field[0] == '_' {
		return "_" + field
	}
	return field
}

// fieldName undoes attributeName. It is asked of no system name.
func fieldName(attribute string) string {
	if attribute != "" && attribute[0] == '_' {
		return attribute[1:]
	}
	return attribute
}

// body returns the fields of an item without the system's, as JSON with the names in order.
func body(item map[string]types.AttributeValue) (json.RawMessage, error) {
	return appendObject(make([]byte, 0, 256), item, func(name string) bool {
		return slices.Contains(systemNames[:], name)
	})
}

func appendObject(b []byte, m map[string]types.AttributeValue, skip func(string) bool) ([]byte, error) {
	b = append(b, '{')
	first := true
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if skip(name) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, fieldName(name)), ':')
		var err error
		if b, err = appendValue(b, m[name]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func none(string) bool { return false }

func appendValue(b []byte, v types.AttributeValue) ([]byte, error) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return appendString(b, v.Value), nil
	case *types.AttributeValueMemberN:
		if short := number(v.Value); len(short) < len(v.Value) { // AWS writes all numbers in full: 1E100 comes back with 101 digits
			return append(b, short...), nil
		}
		return append(b, v.Value...), nil
	case *types.AttributeValueMemberBOOL:
		return strconv.AppendBool(b, v.Value), nil
	case *types.AttributeValueMemberNULL:
		return append(b, "null"...), nil
	case *types.AttributeValueMemberM:
		return appendObject(b, v.Value, none)
	case *types.AttributeValueMemberL:
		b = append(b, '[')
		for i, e := range v.Value {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendValue(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	default: // sets and binary values: somebody else wrote them
		return nil, fmt.Errorf("an attribute is of no kind that JSON has: %T", v)
	}
}

// appendString escapes only what must be, so that a body does not come back much longer than it was.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(append(b, s[done:]...), '"')
}

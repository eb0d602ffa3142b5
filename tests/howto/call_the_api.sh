MODEL=$(ant models list --limit 1 --transform id -r)

ant messages create --model "$MODEL" --max-tokens 200 --system @prompt.txt \
    --message '{role: user, content: "Why did the build fail?"}' --stream -r

ant messages count-tokens --model "$MODEL" --message '{role: user, content: "…"}' --transform input_tokens

ant messages create --model "$MODEL" --transform 'content[0].text' -r << 'END'
max_tokens: 200
messages:
  - role: user
    content: |
      Two lines,
      as they stand.
END

ant api /v1/models --paginate --transform id -r

ant api /v1/messages/count_tokens -f model="$MODEL" -f messages='[{role: user, content: "…"}]'

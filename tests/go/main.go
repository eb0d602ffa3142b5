// Lists the models with one client, once for each line that it is given, and prints the first.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/anthropics/anthropic-sdk-go"
)

func main() {
	client := anthropic.NewClient()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		page, err := client.Models.List(context.Background(), anthropic.ModelListParams{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(page.Data[0].ID)
	}
}

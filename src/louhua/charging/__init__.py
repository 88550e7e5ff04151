"""What texts and services cost, who pays, and how that is explained."""
